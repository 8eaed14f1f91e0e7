"""Ask an HTTP repository in CernVM's layout: which bootloaders it has, what an image's digest and size are.

    <base>/releases/latest                                       2021.05-1
    <base>/releases/                                             a listing of folders, where the server gives one
    <base>/releases/<folder>/<image>.sha256                      64 hex digits, a newline, no file name

Everything that comes from there is untrusted: answers are read up to a bound and must have the form above.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

from vml_jupyter.errors import Foreign, ReleaseNotFound, RepositoryUnreachable
from vml_jupyter.model import Release
from vml_jupyter.release import reach
from vml_jupyter.release.names import ImageName, bootloader_key, flavours, parse_bootloader
from vml_jupyter.release.web import SMALL_FILE_S, get, read_bounded, stated_length

CERNVM = "https://cernvm.cern.ch"
# Those that are signed first; the others are used where a repository has nothing better.
FETCHED = ("hdd", "iso", "qcow2", "vhd", "tar.gz")

_SMALL = 4096
_LISTING_LIMIT = 1 << 20
_FOLDER = re.compile(r"ucernvm-images\.(\d+\.\d+-\d+)\.cernvm\.x86_64")


def latest(base_url: str = CERNVM, timeout_s: float = SMALL_FILE_S) -> str:
    """Return the newest bootloader of a repository.

    Args:
        base_url: Where it is.
        timeout_s: How long it may be silent.

    Raises:
        Foreign: The repository's answer is no bootloader version.
        ReleaseNotFound, RepositoryUnreachable: As for ``web.get``.
    """
    url = f"{base_url.rstrip('/')}/releases/latest"
    text = read_bounded(url, _SMALL, timeout_s).decode("ascii", "replace")
    version = parse_bootloader(text)
    if not version:
        raise Foreign(f"{url} names no bootloader version{_page(text)}", "This is no CernVM repository.")
    return version


def bootloaders(base_url: str) -> list[str]:
    """Return the bootloaders of a repository, newest first; only the newest where it gives no listing.

    Raises:
        Foreign, ReleaseNotFound, RepositoryUnreachable: As for ``latest``.
    """
    newest = latest(base_url)
    try:
        listing = read_bounded(f"{base_url.rstrip('/')}/releases/", _LISTING_LIMIT).decode("utf-8", "replace")
    except (Foreign, ReleaseNotFound, RepositoryUnreachable):
        listing = ""
    return sorted({newest, *_FOLDER.findall(listing)}, key=bootloader_key, reverse=True)


def published_digest(base_url: str, image: ImageName) -> str:
    """Return the SHA-256 that a repository publishes for an image, 64 hex digits.

    Raises:
        Foreign: What it publishes is no SHA-256.
        ReleaseNotFound, RepositoryUnreachable: As for ``web.get``.
    """
    url = f"{base_url.rstrip('/')}/{image.path()}.sha256"
    text = read_bounded(url, _SMALL).decode("ascii", "replace").strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise Foreign(f"{url} holds no SHA-256{_page(text)}", "This is no CernVM repository.")
    return text


def published_file(url: str, timeout_s: float = reach.PATIENCE_S) -> tuple[int, str]:
    """Return the size of a published file in bytes, and what tells it from another under its name, without fetching it.

    0 and '' where the server does not say. It may be silent for ``timeout_s``, and for two seconds before that.

    Raises:
        ReleaseNotFound: There is no such file.
        RepositoryUnreachable: The server does not say; or it is a network that answers everything with a log-in page.
    """
    with get(url, method="HEAD", timeout_s=timeout_s) as answer:
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise RepositoryUnreachable(f"{url} is a web page", "Does this network want a log-in?")
        validator = answer.headers.get("ETag", "") or answer.headers.get("Last-Modified", "")
        return (stated_length(answer) or 0), validator


def published_image(
    base_url: str, release: Release, extensions: Sequence[str] = FETCHED
) -> tuple[ImageName, str]:
    """Return the name and the SHA-256 under which a repository publishes the image of a release.

    What the release leaves open is decided here: no bootloader means the newest, no flavour the likeliest. Of the
    extensions the first that is there is taken.

    Raises:
        ReleaseNotFound: The repository has no image for it.
        Foreign, RepositoryUnreachable: As for ``published_digest``.
    """
    bootloader = release.bootloader or latest(base_url)
    candidates = flavours(release)
    for extension, flavour in product(extensions, candidates):
        image = ImageName(flavour=flavour, bootloader=bootloader, extension=extension)
        try:
            return image, published_digest(base_url, image)
        except ReleaseNotFound:
            continue
    raise ReleaseNotFound(
        f"{base_url} has no image of bootloader {bootloader} ({' or '.join(candidates)})",
        "`vml releases` lists what can be had.",
    )


def _page(text: str) -> str:
    """Say of an answer that is a web page what that usually means."""
    return " but a web page: does this network want a log-in?" if text.lstrip().startswith("<") else ""
