"""Fill one part file with the published bytes, from one mirror after the other, going on where a connection broke.

    url 1 --breaks--> Range, If-Range --breaks thrice--> url 2 --wrong bytes--> thrown away --> url 3 ...

A mirror that is slow is left while another is there, and taken up again when no other did. Every reason why a mirror
did not do is kept, and all are told when none did.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from vml_jupyter.errors import (
    DigestMismatch,
    Foreign,
    ReleaseError,
    ReleaseNotFound,
    RepositoryUnreachable,
    SignatureWrong,
)
from vml_jupyter.progress import Progress
from vml_jupyter.release import reach, web
from vml_jupyter.release.part import Part
from vml_jupyter.release.room import require_room
from vml_jupyter.release.web import body, get, is_slow

_BREAKS_PER_MIRROR = 3
# Less than this between two breaks is no headway.
_HEADWAY_BYTES = 64 * 1024

Refusal = DigestMismatch | RepositoryUnreachable | ReleaseNotFound | Foreign | SignatureWrong
REFUSALS = (RepositoryUnreachable, SignatureWrong, DigestMismatch, Foreign, ReleaseNotFound)


def download(
    urls: Sequence[str], part: Part, progress: Progress, accept: Callable[[Path], None] | None = None
) -> None:
    """Fill the part, from one mirror after the other; wrong bytes are thrown away.

    Args:
        urls: Where the file is, the best first.
        part: What has arrived so far.
        progress: Is told the bytes, and as notes why a mirror did not do.
        accept: Judges the complete file before it gets its name, and raises SignatureWrong or Foreign.

    Raises:
        RepositoryUnreachable, ReleaseNotFound, DigestMismatch, Foreign, SignatureWrong: No mirror did.
        DiskFull: There is no room.
    """
    there = set(reach.answering(urls))  # all at once, so that dead mirrors do not add up
    refusals: list[Refusal] = []
    turns = deque((url, any(later in there for later in urls[at:])) for at, url in enumerate(urls, 1))
    while turns:
        url, hurried = turns.popleft()
        try:
            _fill_rightly(url, part, progress, hurried=hurried)
            break
        except (ReleaseNotFound, RepositoryUnreachable) as error:
            refusals.append(error)
            if hurried and isinstance(error, RepositoryUnreachable) and is_slow(error):
                turns.append((url, False))
        except (DigestMismatch, Foreign) as error:
            part.restart()
            refusals.append(error)
        if len(urls) > 1:
            progress.note(refusals[-1].message)
    else:
        raise worst(refusals)
    if accept:
        _judge(part, accept)


def worst(refusals: Sequence[Refusal]) -> ReleaseError | Foreign:
    """Return one error that tells all: of the kind that leaves most hope, with every message.

    Args:
        refusals: At least one.
    """
    for kind in REFUSALS:
        of_kind: list[Refusal] = [error for error in refusals if isinstance(error, kind)]
        if of_kind:
            break
    messages = list(dict.fromkeys(error.message for error in [*of_kind, *refusals]))
    return type(of_kind[0])("; ".join(messages), of_kind[0].hint)


def _judge(part: Part, accept: Callable[[Path], None]) -> None:
    """Throw a complete part away if it is not accepted: no mirror has other bytes of that digest."""
    try:
        accept(part.path)
    except (SignatureWrong, Foreign):
        part.restart()
        raise


def _fill_rightly(url: str, part: Part, progress: Progress, *, hurried: bool) -> None:
    _fill(url, part, progress, hurried=hurried)
    if not part.is_complete() and part.resumed:
        # A resumed file may be right so far for another version of itself: once more, from its start.
        part.restart()
        _fill(url, part, progress, hurried=hurried)
    if not part.is_complete():
        raise DigestMismatch(
            f"{url} is not the published file: its SHA-256 differs", "Try again, or use another repository."
        )


def _fill(url: str, part: Part, progress: Progress, *, hurried: bool) -> None:
    """Read until the server says that this was all, going on where a connection broke.

    Raises:
        RepositoryUnreachable: It broke too often, or was slow where there is no time; some bytes may have arrived.
    """
    breaks, before = 0, part.size
    while True:
        try:
            _read_on(url, part, progress, web.BRISK_BYTES if hurried else web.STALL_BYTES)
        except RepositoryUnreachable as error:
            if hurried and is_slow(error):
                raise
            breaks = breaks + 1 if part.size - before < _HEADWAY_BYTES else 0
            before = part.size
            if breaks >= _BREAKS_PER_MIRROR or part.size == 0:
                raise
        else:
            return


def _read_on(url: str, part: Part, progress: Progress, least_bytes: int) -> None:
    """Make one request for what is missing and append its answer."""
    with get(url, part.range_headers(url)) as answer:
        if answer.status_code == 416:
            # The server has no byte after ours: it is all here, or it is something else.
            return
        total = part.accept(url, answer.status_code, answer.headers)
        require_room(part.folder, (total or part.size) - part.size, "the image")
        progress.advance(part.size, total, "bytes")
        for piece in body(answer, url, least_bytes=least_bytes):
            if part.size == 0 and piece.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
                raise Foreign(
                    f"{url} is a web page, not a disk image",
                    "Does this network want a log-in? Open any page in a browser, then try again.",
                )
            part.append(piece)
            progress.advance(part.size, total, "bytes")
