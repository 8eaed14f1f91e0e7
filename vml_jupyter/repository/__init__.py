"""Bytes: the restic repository format (version 2) over an object store."""

from vml_jupyter.repository.keyfile import SCRYPT_N, SCRYPT_N_GENERATED
from vml_jupyter.repository.keys import KeyRecord
from vml_jupyter.repository.metered import Metered
from vml_jupyter.repository.node import ExtendedAttribute, Node
from vml_jupyter.repository.opening import generate_password
from vml_jupyter.repository.places import local_folder, memory_store, open_store
from vml_jupyter.repository.pruning import Pruned
from vml_jupyter.repository.records import Snapshot
from vml_jupyter.repository.report import Affected, Finding, Report
from vml_jupyter.repository.repository import Repository

__all__ = [
    "SCRYPT_N",
    "SCRYPT_N_GENERATED",
    "Affected",
    "ExtendedAttribute",
    "Finding",
    "KeyRecord",
    "Metered",
    "Node",
    "Pruned",
    "Report",
    "Repository",
    "Snapshot",
    "generate_password",
    "local_folder",
    "memory_store",
    "open_store",
]
