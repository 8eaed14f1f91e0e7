"""Ask an HTTP repository in CernVM's layout: which bootloader is the newest, what is an image's digest.

    <base>/releases/latest                                       2021.05-1
    <base>/releases/<folder>/<image>.sha256                      64 hex digits, a newline, no file name

Everything that comes from there is untrusted: answers are read up to a bound and must have the form above.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vml_jupyter.errors import Foreign, ReleaseNotFound, RepositoryUnreachable, Usage
from vml_jupyter.model import Release
from vml_jupyter.release.names import ImageName, flavours, parse_bootloader

if TYPE_CHECKING:
    import requests

CERNVM = "https://cernvm.cern.ch"

# Connecting must not keep a physicist without network waiting; a slow repository may take its time to answer.
CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 20.0
# ... but not to trickle a file of a few bytes for ever.
_SMALL_FILE_TIMEOUT_S = 60.0
_SMALL = 4096

_UNREACHABLE_HINT = "Check the network, or name another release repository (VML_RELEASE_URLS)."


@contextmanager
def get(url: str, headers: dict[str, str] | None = None) -> Iterator[requests.Response]:
    """Open one GET whose body is still to be read; closed at the end.

    Raises:
        Usage: The URL is no http or https URL.
        ReleaseNotFound: The server says that there is no such thing.
        RepositoryUnreachable: No answer, or one that is neither the thing nor "not found".
    """
    import requests  # takes a tenth of a second, and most commands ask no server

    host = urlsplit(url)
    if host.scheme not in ("http", "https") or not host.hostname:
        raise Usage(f"{url} is no address of a release repository", "It must start with https:// or http://.")
    with requests.Session() as session:
        # A proxy for the world cannot reach this computer's own loopback.
        session.trust_env = host.hostname not in ("127.0.0.1", "localhost", "::1")
        with unreachable(url):
            response = session.get(
                url,
                # Ranges and digests are about the bytes of the file, not about a compressed copy of them.
                headers={"Accept-Encoding": "identity", **(headers or {})},
                stream=True,
                timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S),
            )
        with response:
            if response.status_code in (403, 404, 410):
                raise ReleaseNotFound(f"{url} does not exist", "`vml releases` lists what can be had.")
            if response.status_code not in (200, 206, 416):
                raise RepositoryUnreachable(
                    f"{host.netloc} answered {response.status_code} to {url}", _UNREACHABLE_HINT
                )
            yield response


@contextmanager
def unreachable(url: str) -> Iterator[None]:
    """Translate what requests raises while connecting and reading."""
    import requests

    try:
        yield
    except requests.RequestException as error:
        why = "takes too long" if isinstance(error, requests.Timeout) else "does not answer"
        raise RepositoryUnreachable(
            f"the release repository {urlsplit(url).netloc} {why}", _UNREACHABLE_HINT
        ) from error


def read_bounded(url: str, limit_bytes: int) -> bytes:
    """Return a small file of a repository.

    Raises:
        Foreign: It is larger than such a file can be.
        ReleaseNotFound, RepositoryUnreachable: As for ``get``.
    """
    import requests

    with get(url) as response, unreachable(url):
        if response.status_code == 416:
            raise Foreign(f"{url} answered 416 to a request without a range")
        deadline = time.monotonic() + _SMALL_FILE_TIMEOUT_S
        body = b""
        for piece in response.iter_content(65536):
            if time.monotonic() > deadline:
                raise requests.ReadTimeout(url)
            body += piece
            if len(body) > limit_bytes:
                raise Foreign(f"{url} is larger than {limit_bytes} bytes", "This is no CernVM repository.")
        return body


def latest(base_url: str = CERNVM) -> str:
    """Return the newest bootloader of a repository.

    Raises:
        Foreign: The repository's answer is no bootloader version.
        ReleaseNotFound, RepositoryUnreachable: As for ``get``.
    """
    url = f"{base_url.rstrip('/')}/releases/latest"
    text = read_bounded(url, _SMALL).decode("ascii", "replace")
    version = parse_bootloader(text)
    if not version:
        raise Foreign(f"{url} names no bootloader version", "This is no CernVM repository.")
    return version


def published_digest(base_url: str, image: ImageName) -> str:
    """Return the SHA-256 that a repository publishes for an image, 64 hex digits.

    Raises:
        Foreign: What it publishes is no SHA-256.
        ReleaseNotFound, RepositoryUnreachable: As for ``get``.
    """
    url = f"{base_url.rstrip('/')}/{image.path()}.sha256"
    text = read_bounded(url, _SMALL).decode("ascii", "replace").strip().lower()
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise Foreign(f"{url} holds no SHA-256", "This is no CernVM repository.")
    return text


def published_image(base_url: str, release: Release, extension: str = "hdd") -> tuple[ImageName, str]:
    """Return the name and the SHA-256 under which a repository publishes the image of a release.

    What the release leaves open is decided here: no bootloader means the newest, no flavour the likeliest.

    Raises:
        ReleaseNotFound: The repository has no image for it.
        Foreign, RepositoryUnreachable: As for ``published_digest``.
    """
    bootloader = release.bootloader or latest(base_url)
    candidates = flavours(release)
    for flavour in candidates:
        image = ImageName(flavour=flavour, bootloader=bootloader, extension=extension)
        try:
            return image, published_digest(base_url, image)
        except ReleaseNotFound:
            continue
    raise ReleaseNotFound(
        f"{base_url} has no image of bootloader {bootloader} ({' or '.join(candidates)}, .{extension})",
        "`vml releases` lists what can be had.",
    )
