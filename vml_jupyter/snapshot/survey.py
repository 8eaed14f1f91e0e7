"""Count a working area before anything is done with it."""

from __future__ import annotations

import heapq
import stat
from dataclasses import dataclass, field
from pathlib import Path

from vml_jupyter.snapshot.findings import Findings, printable
from vml_jupyter.snapshot.ignore import Rule, Rules
from vml_jupyter.snapshot.walk import borders_of, open_area, walk

_LARGEST = 10


@dataclass(frozen=True)
class Survey:
    """What a snapshot of an area would hold.

    ``ignored`` counts the files and folders that stay out, ``rules`` by the rule that keeps them out.
    ``largest`` are the sizes and names of the largest files. ``unreadable`` names folders, and why.
    """

    files: int
    bytes: int
    ignored: int
    rules: dict[Rule, int] = field(default_factory=dict, compare=False)
    largest: list[tuple[int, str]] = field(default_factory=list, compare=False)
    unreadable: list[str] = field(default_factory=list, compare=False)


def survey(area: Path, cross_mounts: bool = False) -> Survey:
    """Count the files of ``area`` by looking at folders alone, those mounted below it only if so asked.

    Raises:
        BadArea: It is missing, no folder, or cannot be read.
    """
    files = size_bytes = 0
    findings = Findings()
    rules = Rules.of(area)
    largest: list[tuple[int, str]] = []
    for folder in walk(open_area(area), rules, findings, borders_of(area, cross_mounts)):
        sizes = [
            (item.status.st_size, folder.relative + item.name)
            for item in folder.items
            if stat.S_ISREG(item.status.st_mode)
        ]
        files += len(sizes)
        size_bytes += sum(size for size, _ in sizes)
        largest = heapq.nlargest(_LARGEST, [*largest, *sizes])
    return Survey(
        files,
        size_bytes,
        findings.ignored,
        {rule: count for rule, count in rules.counts.most_common() if count},
        [(size, printable(name)) for size, name in largest],
        findings.unreadable,
    )
