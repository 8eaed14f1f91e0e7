"""The text and the small disk that tell a fresh machine what it is for.

user_data(release, extra, pins)  ->  bytes  ->  write_context_iso(path, user_data, pickup, machine_uuid)  ->
an ISO
"""

from vml_jupyter.context.client import client_files
from vml_jupyter.context.drive import write_context_iso
from vml_jupyter.context.userdata import USER_DATA_LIMIT, quoted, ucernvm_block, unpack_pickup, user_data

__all__ = [
    "USER_DATA_LIMIT",
    "client_files",
    "quoted",
    "ucernvm_block",
    "unpack_pickup",
    "user_data",
    "write_context_iso",
]
