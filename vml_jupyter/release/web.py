"""GET and HEAD for servers that may be away, slow, mistaken or hostile.

no connection in 2 s -> unreachable     silence or a trickle -> unreachable     404, 410, 403 -> not found
redirects: at most 5, never to another scheme than http(s), never from https back to http
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions

from vml_jupyter.errors import Foreign, ReleaseNotFound, RepositoryUnreachable, Usage
from vml_jupyter.release import reach

READ_TIMEOUT_S = 20.0
# A server that sends less than this in that time is as good as silent.
STALL_S = 20.0
STALL_BYTES = 16 * 1024
# ... and a file of a few bytes does not trickle for a minute.
SMALL_FILE_S = 10.0

_REDIRECTS = 5
_PIECE = 256 * 1024
_HINT = "Check the network, or name another release repository (VML_RELEASE_URLS)."
_Broken = (requests.RequestException, urllib3.exceptions.HTTPError)


class Stalled(Exception):
    """The server sends next to nothing."""


@contextmanager
def get(
    url: str, headers: dict[str, str] | None = None, *, method: str = "GET", timeout_s: float = READ_TIMEOUT_S
) -> Iterator[requests.Response]:
    """Open one GET whose body is still to be read; closed at the end.

    Raises:
        Usage: The URL is no http or https URL.
        ReleaseNotFound: The server says that there is no such thing.
        RepositoryUnreachable: No answer, or one that is neither the thing nor "not found".
    """
    _check_address(url)
    with requests.Session() as session:
        for _ in range(_REDIRECTS):
            _check_reach(url)
            session.trust_env = reach.uses_proxy(url)
            with translated(url):
                response = session.request(
                    method,
                    url,
                    # Ranges and digests are about the bytes of the file, not about a compressed copy of them.
                    headers={"Accept-Encoding": "identity", **(headers or {})},
                    stream=True,
                    timeout=(reach.PATIENCE_S, timeout_s),
                    allow_redirects=False,
                )
            with response:
                if not response.is_redirect:
                    _check_status(response, url)
                    yield response
                    return
                url = _next(url, response.headers["Location"])
    raise RepositoryUnreachable(f"{_host(url)} redirects without end", _HINT)


@contextmanager
def translated(url: str) -> Iterator[None]:
    """Translate what is raised while connecting and reading.

    Raises:
        RepositoryUnreachable: Instead of anything that requests or urllib3 raise.
    """
    try:
        yield
    except (*_Broken, Stalled, ValueError) as error:
        raise RepositoryUnreachable(f"the release repository {_host(url)} {_why(error)}", _HINT) from error


def body(response: requests.Response, url: str) -> Iterator[bytes]:
    """Yield the body as it arrives.

    Raises:
        RepositoryUnreachable: It ends early, falls silent, or trickles.
    """
    expected = stated_length(response)
    arrived = before = 0
    since = time.monotonic()
    with translated(url):
        # Unlike iter_content, read1 gives what is there: a trickle is seen, and can be cancelled.
        while piece := response.raw.read1(_PIECE):
            arrived += len(piece)
            yield piece
            now = time.monotonic()
            if now - since > STALL_S:
                if arrived - before < STALL_BYTES:
                    raise Stalled
                since, before = now, arrived
        if expected is not None and arrived < expected:
            raise requests.ConnectionError(f"{url} ended after {arrived} of {expected} bytes")


def stated_length(response: requests.Response) -> int | None:
    """Return how many bytes the body is said to have, None where nothing or nonsense is said."""
    said = response.headers.get("Content-Length", "")
    return int(said) if re.fullmatch(r"[0-9]{1,18}", said) else None


def read_bounded(url: str, limit_bytes: int, timeout_s: float = SMALL_FILE_S) -> bytes:
    """Return a small file of a repository.

    Raises:
        Foreign: It is larger than such a file can be.
        ReleaseNotFound, RepositoryUnreachable: As for ``get``.
    """
    with get(url, timeout_s=timeout_s) as response:
        if response.status_code != 200:
            raise Foreign(f"{url} answered {response.status_code} to a request without a range", _HINT)
        deadline = time.monotonic() + timeout_s * 3
        found = b""
        for piece in body(response, url):
            if time.monotonic() > deadline:
                raise RepositoryUnreachable(f"{_host(url)} takes too long to send {url}", _HINT)
            found += piece
            if len(found) > limit_bytes:
                raise Foreign(f"{url} is larger than {limit_bytes} bytes", "This is no CernVM repository.")
        return found


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        # Addresses are told in messages and kept in lists, which is no place for a password.
        right = right and parts.username is None
    except ValueError:
        right = False
    if not right:
        raise Usage(
            f"{_without_user(url)} is no address of a release repository",
            "It must start with https:// or http://, and bear no user name.",
        )


def _check_reach(url: str) -> None:
    if not reach.answers(url):
        raise RepositoryUnreachable(f"the release repository {_host(url)} does not answer", _HINT)


def _check_status(response: requests.Response, url: str) -> None:
    status = response.status_code
    if status in (404, 410):
        raise ReleaseNotFound(f"{url} does not exist", "`vml releases` lists what can be had.")
    if status == 403:  # which stores of objects also say of what does not exist
        raise ReleaseNotFound(
            f"{_host(url)} does not give {url} (403)", "`vml releases` lists what can be had."
        )
    if status not in (200, 206, 416):
        raise RepositoryUnreachable(f"{_host(url)} answered {status} to {url}", _HINT)


def _next(url: str, location: str) -> str:
    target = urljoin(url, location)
    try:
        _check_address(target)
    except Usage as error:
        raise RepositoryUnreachable(
            f"{_host(url)} redirects to something that is no web address", _HINT
        ) from error
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
        raise RepositoryUnreachable(f"{_host(url)} redirects from https to http", _HINT)
    return target


def _without_user(url: str) -> str:
    head, at, tail = url.rpartition("@")
    return f"{head.partition('://')[0]}://{tail}" if at else url


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _why(error: BaseException) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return f"has no certificate that can be trusted ({_reason(error)})"
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError, Stalled)):
        return "takes too long"
    if isinstance(error, (requests.exceptions.ChunkedEncodingError, urllib3.exceptions.ProtocolError)):
        return "breaks off"
    return "does not answer" if not isinstance(error, ValueError) else "does not speak HTTP"


def _reason(error: BaseException) -> str:
    """Return the innermost words: OpenSSL's, without the layers around them."""
    text = str(error).rpartition("certificate verify failed: ")[2]
    return text.partition(" (_ssl")[0] or "its TLS cannot be spoken"
