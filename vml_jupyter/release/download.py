"""Fill one part file with the published bytes, from one mirror after the other, going on where a connection broke.

    url 1 --breaks--> Range, If-Range --breaks thrice--> url 2 --wrong bytes--> thrown away --> url 3 ...

Every reason why a mirror did not do is kept, and all are told when none did.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from vml_jupyter.errors import (
    DigestMismatch,
    DiskFull,
    Foreign,
    ReleaseError,
    ReleaseNotFound,
    RepositoryUnreachable,
    SignatureWrong,
)
from vml_jupyter.progress import Progress
from vml_jupyter.release import reach
from vml_jupyter.release.part import Part
from vml_jupyter.release.web import body, get

_MARGIN_BYTES = 64 * 1024 * 1024
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
    reach.answering(urls)  # all at once, so that dead mirrors do not add up
    refusals: list[Refusal] = []
    for url in urls:
        try:
            _fill_rightly(url, part, progress)
            break
        except (ReleaseNotFound, RepositoryUnreachable) as error:
            refusals.append(error)
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


def _fill_rightly(url: str, part: Part, progress: Progress) -> None:
    _fill(url, part, progress)
    if not part.is_complete() and part.resumed:
        # A resumed file may be right so far for another version of itself: once more, from its start.
        part.restart()
        _fill(url, part, progress)
    if not part.is_complete():
        raise DigestMismatch(
            f"{url} is not the published file: its SHA-256 differs", "Try again, or use another repository."
        )


def _fill(url: str, part: Part, progress: Progress) -> None:
    """Read until the server says that this was all, going on where a connection broke.

    Raises:
        RepositoryUnreachable: It broke too often; some bytes may have arrived.
    """
    breaks, before = 0, part.size
    while True:
        try:
            _read_on(url, part, progress)
        except RepositoryUnreachable:
            breaks = breaks + 1 if part.size - before < _HEADWAY_BYTES else 0
            before = part.size
            if breaks >= _BREAKS_PER_MIRROR or part.size == 0:
                raise
        else:
            return


def _read_on(url: str, part: Part, progress: Progress) -> None:
    """Make one request for what is missing and append its answer."""
    with get(url, part.range_headers(url)) as response:
        if response.status_code == 416:
            # The server has no byte after ours: it is all here, or it is something else.
            return
        total = part.accept(url, response.status_code, response.headers)
        _make_room(part, total)
        progress.advance(part.size, total, "bytes")
        for piece in body(response, url):
            if part.size == 0 and piece.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
                raise Foreign(
                    f"{url} is a web page, not a disk image",
                    "Does this network want a log-in? Open any page in a browser, then try again.",
                )
            part.append(piece)
            progress.advance(part.size, total, "bytes")


def _make_room(part: Part, total: int | None) -> None:
    free = shutil.disk_usage(part.folder).free
    needed = (total or part.size) - part.size
    if needed + _MARGIN_BYTES > free:
        raise DiskFull(
            f"{part.folder} has {free >> 20} MiB free, and the image needs {needed >> 20} MiB more",
            "Make room there, or put VML's data elsewhere (VML_DATA).",
        )
