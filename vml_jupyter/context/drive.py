"""Write the context ISO: the small CD that micro-CernVM, amiconfig and cloud-init all read.

    label config-2, Rock Ridge and Joliet names
    /openstack/latest/user_data         /openstack/latest/meta_data.json     {"uuid": ...}
    /ec2/latest/user-data               /ec2/latest/meta-data.json           {"instance-id": ...}
    /cernvm/pickup.tar.gz               unpacked into / at the first boot, by micro-CernVM

The pickup holds the machine's token, so the file is for its owner only, and so is the pickup in it.
Source of the layout: libcernvm's ``contextiso.cpp``, cloud-init's ConfigDrive data source.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import uuid
from pathlib import Path

from vml_jupyter.errors import NO_ROOM, DiskFull, HostError, WouldOverwrite

LABEL = "config-2"

_MACHINES = uuid.uuid5(uuid.NAMESPACE_URL, "urn:vml-jupyter:machine:1")

_FOLDER_MODE = 0o040555
_OPEN_MODE, _SECRET_MODE = 0o100444, 0o100400


def write_context_iso(
    path: Path,
    user_data: bytes,
    pickup: bytes,
    machine_uuid: str,
    *,
    hostname: str = "",
    overwrite: bool = True,
) -> None:
    """Write the context of one machine to ``path``, where it appears whole.

    Args:
        path: The ISO file; mode 0600 from its first byte.
        user_data: As ``userdata.user_data`` returns it.
        pickup: A tar.gz, or nothing to leave it out.
        machine_uuid: What cloud-init knows the machine by; a new one means a new machine. From an id that is no
            UUID one is made, always the same.
        hostname: The name that cloud-init gives it, '' for none.
        overwrite: Whether a file that is there may be replaced; anything but a plain file never is.

    Raises:
        WouldOverwrite: Something is there already.
        DiskFull, HostError: There is no room for it, or it cannot be written there.
    """
    files = _files(user_data, pickup, _identity(machine_uuid, hostname))
    content = _master(files)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    reserved = False
    try:
        reserved = _reserve(path, overwrite=overwrite)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        reserved = False
    except OSError as error:
        if error.errno in NO_ROOM:
            raise DiskFull(
                f"there is no room for the context in {path.parent}", "Make room there."
            ) from error
        raise HostError(f"{path} cannot be written: {error.strerror}", "Name another place.") from error
    finally:
        draft.unlink(missing_ok=True)
        if reserved:
            path.unlink(missing_ok=True)


def _reserve(path: Path, *, overwrite: bool) -> bool:
    """Take a free name with an empty file, so that of two who write there one is refused; tell whether it was free."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        if overwrite and path.is_file() and not path.is_symlink():
            return False
        raise WouldOverwrite(
            f"{path} is there already",
            "Name another file, or say --overwrite." if path.is_file() else "Name another file.",
        ) from None
    return True


def _identity(machine_uuid: str, hostname: str) -> dict[str, str]:
    try:
        known = uuid.UUID(machine_uuid)
    except ValueError:
        known = uuid.uuid5(_MACHINES, machine_uuid)
    return {"uuid": str(known), "hostname": hostname} if hostname else {"uuid": str(known)}


def _files(user_data: bytes, pickup: bytes, identity: dict[str, str]) -> dict[str, tuple[bytes, int]]:
    """Return content and mode of every file, by path; both data sources are told the same."""
    open_stack = json.dumps(identity).encode()
    amazon = json.dumps({"instance-id": identity["uuid"]}).encode()
    files = {
        "/openstack/latest/user_data": (user_data, _OPEN_MODE),
        "/openstack/latest/meta_data.json": (open_stack, _OPEN_MODE),
        "/ec2/latest/user-data": (user_data, _OPEN_MODE),
        "/ec2/latest/meta-data.json": (amazon, _OPEN_MODE),
    }
    return {**files, "/cernvm/pickup.tar.gz": (pickup, _SECRET_MODE)} if pickup else files


def _master(files: dict[str, tuple[bytes, int]]) -> bytes:
    import pycdlib  # 30 ms, and every command imports what says how large user-data may be

    disk = pycdlib.PyCdlib()
    disk.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=LABEL)
    try:
        for folder in _folders(files):
            disk.add_directory(
                _iso_name(folder),
                rr_name=folder.rpartition("/")[2],
                joliet_path=folder,
                file_mode=_FOLDER_MODE,
            )
        for name, (content, mode) in files.items():
            disk.add_fp(
                io.BytesIO(content),
                len(content),
                f"{_iso_name(name)};1",
                rr_name=name.rpartition("/")[2],
                joliet_path=name,
                file_mode=mode,
            )
        image = io.BytesIO()
        disk.write_fp(image)
    finally:
        disk.close()
    return image.getvalue()


def _folders(files: dict[str, tuple[bytes, int]]) -> list[str]:
    """Return the folders that the files need, parents first."""
    found = set()
    for name in files:
        while name := name.rpartition("/")[0]:
            found.add(name)
    return sorted(found)


def _iso_name(path: str) -> str:
    """Return the plain ISO name of a path: upper case, one full stop, no hyphen."""
    folder, _, name = path.upper().replace("-", "_").rpartition("/")
    stem, dot, suffix = name.rpartition(".")
    return f"{folder}/{stem.replace('.', '_')}{dot}{suffix}" if dot else f"{folder}/{name}"
