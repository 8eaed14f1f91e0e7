"""GET and HEAD for servers that may be away, slow, mistaken or hostile.

no connection in 2 s -> unreachable     silence or a trickle -> unreachable     404, 410, 403 -> not found
redirects: at most 5, never to another scheme than http(s), never from https back to http

A trickle is noticed wherever it comes: while TLS is spoken, in the head of the answer, in the body (see ``deadline``).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from vml_jupyter.errors import Foreign, ReleaseNotFound, RepositoryUnreachable, Usage
from vml_jupyter.release import reach
from vml_jupyter.release.deadline import Deadline, Stalled

if TYPE_CHECKING:
    import requests

READ_TIMEOUT_S = 20.0
# A server that sends less than this in that time is as good as silent.
STALL_S = 20.0
STALL_BYTES = 16 * 1024
# ... less than this is too little to go on with where another server has the same.
BRISK_BYTES = 1024 * 1024
# A file of a few bytes does not trickle for a minute.
SMALL_FILE_S = 10.0

_REDIRECTS = 5
_PIECE = 256 * 1024
_HINT = "Check the network, or name another release repository (VML_RELEASE_URLS)."


class Answer:
    """One answer whose head is there and whose body is still to be read."""

    def __init__(self, response: requests.Response, deadline: Deadline) -> None:
        self.status_code = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.raw = response.raw
        self.deadline = deadline


@contextmanager
def get(
    url: str, headers: dict[str, str] | None = None, *, method: str = "GET", timeout_s: float | None = None
) -> Iterator[Answer]:
    """Open one GET whose body is still to be read; closed at the end.

    Args:
        url: Where it is.
        headers: What is asked beside.
        method: ``HEAD`` where no body is wanted.
        timeout_s: How long the answer's head may take in all, with all redirects, and how long the body may be
            silent; READ_TIMEOUT_S by default.

    Raises:
        Usage: The URL is no http or https URL.
        ReleaseNotFound: The server says that there is no such thing.
        RepositoryUnreachable: No answer, or one that is neither the thing nor "not found".
    """
    from vml_jupyter.release.sessions import session

    _check_address(url)
    patience_s = READ_TIMEOUT_S if timeout_s is None else timeout_s
    with Deadline(reach.PATIENCE_S + patience_s) as deadline, session() as client:
        for _ in range(_REDIRECTS):
            _check_reach(url)
            client.trust_env = reach.uses_proxy(url)
            with translated(url, deadline), deadline.watching():
                response = client.request(
                    method,
                    url,
                    # Ranges and digests are about the bytes of the file, not about a compressed copy of them.
                    headers={"Accept-Encoding": "identity", **(headers or {})},
                    stream=True,
                    timeout=(reach.PATIENCE_S, patience_s),
                    allow_redirects=False,
                )
            with response:
                with translated(url, deadline):
                    deadline.check()  # a head that was cut there looks whole
                if not response.is_redirect:
                    _check_status(response, url)
                    deadline.lift()
                    yield Answer(response, deadline)
                    return
                url = _next(url, response.headers["Location"])
    raise RepositoryUnreachable(f"{_host(url)} redirects without end", _HINT)


@contextmanager
def translated(url: str, deadline: Deadline) -> Iterator[None]:
    """Translate what is raised while connecting and reading.

    Raises:
        RepositoryUnreachable: Instead of anything that requests or urllib3 raise; ``is_slow`` tells one kind.
    """
    from vml_jupyter.release.sessions import BROKEN

    try:
        yield
    except (*BROKEN, ValueError) as error:
        # Whoever is hung up on reads an end, a reset or broken TLS.
        cause = Stalled(str(error)) if deadline.passed else error
        raise RepositoryUnreachable(f"the release repository {_host(url)} {_why(cause)}", _HINT) from cause


def is_slow(error: RepositoryUnreachable) -> bool:
    """Tell whether a server was given up because it sent too little in its time, and not for what it sent."""
    from vml_jupyter.release.sessions import SLOW

    return isinstance(error.__cause__, SLOW)


def body(
    answer: Answer, url: str, *, least_bytes: int | None = None, within_s: float | None = None
) -> Iterator[bytes]:
    """Yield the body as it arrives.

    Args:
        answer: Whose body.
        url: What it is, for messages.
        least_bytes: How much must arrive in each STALL_S; STALL_BYTES by default.
        within_s: In what time all of it must arrive; None for as long as it goes on at that speed.

    Raises:
        RepositoryUnreachable: It ends early, falls silent, trickles, or takes too long.
    """
    import requests

    expected = stated_length(answer)
    least_bytes = STALL_BYTES if least_bytes is None else least_bytes
    arrived = before = 0
    since = time.monotonic()
    # Twice, since pieces that do arrive are counted below, sooner than a connection is shut down here.
    answer.deadline.set(2 * STALL_S if within_s is None else within_s)
    with translated(url, answer.deadline):
        # Unlike iter_content, read1 gives what is there: a trickle is seen, and can be cancelled.
        while piece := answer.raw.read1(_PIECE):
            arrived += len(piece)
            yield piece
            now = time.monotonic()
            if within_s is None and now - since > STALL_S:
                if arrived - before < least_bytes:
                    raise Stalled
                since, before = now, arrived
                answer.deadline.set(2 * STALL_S)
        answer.deadline.check()
        if expected is not None and arrived < expected:
            raise requests.ConnectionError(f"{url} ended after {arrived} of {expected} bytes")


def stated_length(answer: Answer) -> int | None:
    """Return how many bytes the body is said to have, None where nothing or nonsense is said."""
    said = answer.headers.get("Content-Length", "")
    return int(said) if re.fullmatch(r"[0-9]{1,18}", said) else None


def read_bounded(url: str, limit_bytes: int, timeout_s: float = SMALL_FILE_S) -> bytes:
    """Return a small file of a repository.

    Args:
        url: Where it is.
        limit_bytes: How large it can be.
        timeout_s: How long the head of the answer may take; its body may take twice as long.

    Raises:
        Foreign: It is larger than such a file can be.
        ReleaseNotFound, RepositoryUnreachable: As for ``get``.
    """
    with get(url, timeout_s=timeout_s) as answer:
        if answer.status_code != 200:
            raise Foreign(f"{url} answered {answer.status_code} to a request without a range", _HINT)
        found = b""
        for piece in body(answer, url, within_s=timeout_s * 2):
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
    from vml_jupyter.release.sessions import CUT, SLOW, UNTRUSTED

    if isinstance(error, UNTRUSTED):
        return f"has no certificate that can be trusted ({_reason(error)})"
    if isinstance(error, SLOW):
        return "takes too long"
    if isinstance(error, CUT):
        return "breaks off"
    return "does not answer" if not isinstance(error, ValueError) else "does not speak HTTP"


def _reason(error: BaseException) -> str:
    """Return the innermost words: OpenSSL's, without the layers around them."""
    text = str(error).rpartition("certificate verify failed: ")[2]
    return text.partition(" (_ssl")[0] or "its TLS cannot be spoken"
