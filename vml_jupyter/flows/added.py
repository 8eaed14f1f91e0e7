"""Images that the user added: ordinary cloud images (AlmaLinux, Debian) with their checksums.

    <config>/releases.json      [{"name": "almalinux-9", "url": "https://...qcow2", "sha256": "...", ...}, ...]

They are listed, fetched, verified and kept like CernVM's own, and an entry is brought up in one where the user says so.
The image needs cloud-init, and Jupyter in it or a set-up: a script that each machine of it runs at its first boot, as
root. What the machine writes goes to a disk over the image.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec

from vml_jupyter.errors import DigestMismatch, NotFound, ReleaseNotFound, Usage, WouldOverwrite
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Release
from vml_jupyter.parsing import parse
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release import AvailableRelease, digest, fetch_file, recall

_NAME = re.compile(r"[a-z][a-z0-9._-]{0,60}", re.IGNORECASE)
_SCRIPT_LIMIT = 256 << 10
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,120}")


class AddedImage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One image that the user added; ``url`` is a web address or a path, ``setup`` the text of a script."""

    name: str
    url: str
    sha256: str
    what: str = ""
    setup: str = ""

    @property
    def is_local(self) -> bool:
        return "://" not in self.url


def added_images(settings: Settings) -> list[AddedImage]:
    """Return what the user added, in that order.

    Raises:
        Usage: The file cannot be understood.
    """
    try:
        return parse(_table(settings).read_bytes(), list[AddedImage])
    except FileNotFoundError:
        return []
    except msgspec.DecodeError as error:
        raise Usage(
            f"{_table(settings)} cannot be understood: {error}", "Mend it, or move it away."
        ) from error


def add(
    settings: Settings,
    name: str,
    url: str,
    sha256: str,
    what: str = "",
    progress: Progress = SILENT,
    *,
    setup: str = "",
) -> AddedImage:
    """Add an image; one on this computer is verified at once, one on the web when it is fetched.

    One that is there already, by name and checksum, may be added again with a set-up, which new machines then run.

    Args:
        settings: Where the table is.
        name: What the user calls it.
        url: A web address or a path on this computer.
        sha256: 64 hex digits.
        what: What it is, in words.
        progress: Who listens.
        setup: The text of a script that puts in what it lacks, '' for none; see ``read_setup``.

    Raises:
        Usage: Name, address or checksum is none.
        WouldOverwrite: The name is taken.
        DigestMismatch: The file on this computer has another checksum.
    """
    if not _NAME.fullmatch(name) or re.match(r"cernvm", name, re.IGNORECASE):
        raise Usage(
            f"{name!r} cannot be the name of an image", "Use letters, digits and dashes: almalinux-9.4."
        )
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise Usage(f"{sha256!r} is no SHA-256", "Give the 64 hex digits that are published with the image.")
    image = AddedImage(name=name, url=_checked_address(url), sha256=sha256.lower(), what=what, setup=setup)
    known = added_images(settings)
    before = next((other for other in known if other.name == name), None)
    if before and not (setup and before.sha256 == image.sha256):
        raise WouldOverwrite(
            f"there is an image {name} already", f"`vml releases remove {name}` takes it away."
        )
    if image.is_local and digest(Path(image.url), settings.cache, progress) != image.sha256:
        raise DigestMismatch(f"{url} has another SHA-256", "Download it again, or check the published one.")
    _save(settings, [*(other for other in known if other is not before), image])
    return image


def read_setup(file: Path) -> str:
    """Return the text of a script that machines are to run at their first boot.

    Raises:
        Usage: It is no script, or too large for what a machine can be told.
    """
    try:
        text = file.expanduser().read_bytes()[: _SCRIPT_LIMIT + 1].decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{file} cannot be read as text: {error}", "Name a script.") from error
    if not text.startswith("#!/") or "\r" in text or len(text) > _SCRIPT_LIMIT:
        raise Usage(
            f"{file} is no script that a machine could run",
            "It begins with a line like #!/bin/sh, ends its lines as Unix does, and has at most 256 KiB.",
        )
    return text


def setup_of(settings: Settings, release: Release) -> str:
    """Return the script that the user added with an image, '' where there is none."""
    image = find_added(settings, release.system) if release.is_cloud else None
    return image.setup if image is not None and image.sha256 == release.image_sha256 else ""


def release_of_added(image: AddedImage) -> Release:
    """Return how entries and machines name an image."""
    return Release(system=image.name, image_sha256=image.sha256)


def drop(settings: Settings, name: str) -> AddedImage:
    """Take an image out of the table; a file that was downloaded for it stays.

    Raises:
        NotFound: There is none of that name.
    """
    known = added_images(settings)
    for image in known:
        if image.name == name:
            _save(settings, [other for other in known if other is not image])
            return image
    raise NotFound(f"no image {name} was added", "`vml releases` lists them.")


def find_added(settings: Settings, name: str) -> AddedImage | None:
    """Return what the user added under a name."""
    return next((image for image in added_images(settings) if image.name == name.strip()), None)


def provide_added(settings: Settings, image: AddedImage, progress: Progress = SILENT) -> Path:
    """Return the file of an added image: on this computer, else downloaded; its checksum holds in either case.

    Raises:
        DigestMismatch: It is another file now.
        ReleaseNotFound, RepositoryUnreachable, DiskFull: It cannot be had.
    """
    if not image.is_local:
        progress.stage("fetch", f"Getting {image.name}")
        name = file_name(image)
        return fetch_file([image.url], name, image.sha256, settings.releases, progress, cache=settings.cache)
    file = Path(image.url)
    if not file.is_file():
        raise ReleaseNotFound(f"{file} is not there any more", "Put it back, or add the image anew.")
    if digest(file, settings.cache, progress) != image.sha256:
        raise DigestMismatch(f"{file} is another file than the one that was added", "Put the right one back.")
    return file


def added_lines(settings: Settings) -> list[AvailableRelease]:
    """Return a line of the list of releases for every added image."""
    return [_line(settings, image) for image in added_images(settings)]


def file_name(image: AddedImage) -> str:
    """Return what the file of an image on the web is called here."""
    name = unquote(urlsplit(image.url).path.rpartition("/")[2])
    return name if _FILE.fullmatch(name) else f"{image.name}.img"


def kept_file(settings: Settings, image: AddedImage) -> Path:
    """Return where the file of an added image lies, or would lie."""
    if image.is_local:
        return Path(image.url)
    return settings.releases / image.sha256 / file_name(image)


def root_file(settings: Settings, image: AddedImage) -> Path:
    """Return where the raw disk that was taken out of an image lies, or would lie."""
    return settings.releases / "disks" / f"{image.sha256}.raw"


def digest_file(disk: Path) -> Path:
    """Return where the SHA-256 of a disk that was taken out is written down."""
    return disk.with_name(f"{disk.name}.sha256")


def _line(settings: Settings, image: AddedImage) -> AvailableRelease:
    file = kept_file(settings, image)
    line = AvailableRelease(
        release=release_of_added(image), name=image.name, state="downloadable", url=image.url, what=image.what
    )
    if not file.is_file():
        gone = (
            {"state": "gone", "reason": "its file is not there any more", "url": ""} if image.is_local else {}
        )
        return msgspec.structs.replace(line, **gone)
    known = recall(file, settings.cache)
    if known and known != image.sha256:
        return msgspec.structs.replace(line, state="gone", reason="its file has been changed", url="")
    return msgspec.structs.replace(line, state="here", path=str(file), url="", size_bytes=file.stat().st_size)


def _checked_address(url: str) -> str:
    if urlsplit(url).scheme in ("http", "https") and urlsplit(url).hostname:
        return url
    file = Path(url).expanduser().absolute()
    if "://" in url or not file.is_file():
        raise Usage(f"{url} is no web address and no file", "It must start with https:// or be a file here.")
    return str(file)


def _table(settings: Settings) -> Path:
    return settings.config / "releases.json"


def _save(settings: Settings, images: list[AddedImage]) -> None:
    table = _table(settings)
    table.parent.mkdir(parents=True, exist_ok=True)
    draft = table.with_name(f"{table.name}.{os.getpid()}.new")
    try:
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(images), indent=2) + b"\n")
        draft.replace(table)
    finally:
        draft.unlink(missing_ok=True)
