"""Who else reads what is in the logbook."""

from __future__ import annotations

import os

from vml_jupyter.errors import of_system
from vml_jupyter.flows.settings import Settings
from vml_jupyter.repository import local_folder
from vml_jupyter.repository.documents import is_id


def is_shared(settings: Settings) -> bool:
    """Tell whether others may read the logbook: it is in a bucket, is another user's folder, or has several keys.

    Raises:
        StoreUnreachable: It cannot be looked at.
    """
    folder = local_folder(settings.logbook)
    if folder is None:
        return True
    try:
        keys = [file.name for file in (folder / "keys").iterdir() if is_id(file.name)]
        return len(keys) > 1 or folder.stat().st_uid != os.geteuid()
    except FileNotFoundError:
        return False  # the first snapshot makes it
    except OSError as error:
        raise of_system(error) from error
