"""Results as a Markdown table for people and as JSON for programs.

| work | vml | restic | borg | tar+zstd | ratio | limit | |
{"machine", "tools", "rows": [{"name", "work", "unit", "figures": {tool: {median, least, most, runs}},
 "against", "ratio", "limit", "relative", "held"}]}
"""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.measure import Spread
from bench.rows import Results, Row

_MARKS = {True: "held", False: "**missed**", None: ""}


def machine() -> str:
    """Say in general words what this ran on."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{os.cpu_count()} cores, {memory_gb:.0f} GB memory, {platform.machine()}, "
        f"Linux {platform.release()}, Python {platform.python_version()}"
    )


def markdown(rows: Iterable[Row], results: Results, tools: Mapping[str, str]) -> str:
    """Return the table: median (least-most) of each tool, ratio to the best rival, limit, verdict."""
    lines = [
        "; ".join((machine(), *tools.values())),
        "",
        f"| work | {' | '.join(tools)} | ratio | limit | |",
        "|---" * (len(tools) + 4) + "|",
    ]
    for row in rows:
        ratio = results.ratio(row.name)
        cells = [
            f"{row.work}{_scope(row, results)}",
            *(_cell(results.spread(row.name, tool), row.unit) for tool in tools),
            "" if ratio is None else f"{ratio:.2f}",
            "" if row.limit is None else f"{row.limit:.4g}" + ("" if row.relative else f" {row.unit}"),
            _MARKS[results.held(row)],
        ]
        lines.append(f"| {' | '.join(cells)} |")
    if results.others_cores:
        others = statistics.fmean(results.others_cores)
        lines += ["", f"Other programs kept {others:.1f} cores busy meanwhile (a quiet machine: 0.1)."]
    return "\n".join(lines)


def write_json(file: Path, rows: Iterable[Row], results: Results, tools: Mapping[str, str]) -> None:
    """Write the same as JSON."""
    found = {
        "machine": machine(),
        "tools": dict(tools),
        "others_cores": results.others_cores,
        "rows": [_as_json(row, results, tools) for row in rows],
    }
    file.write_text(json.dumps(found, indent=2) + "\n")


def _as_json(row: Row, results: Results, tools: Mapping[str, str]) -> dict[str, Any]:
    spreads = {tool: results.spread(row.name, tool) for tool in tools}
    return {
        "name": row.name,
        "work": row.work,
        "scope": results.scope.get(row.name, ""),
        "unit": row.unit,
        "figures": {
            tool: {
                "median": spread.median,
                "least": spread.least,
                "most": spread.most,
                "runs": list(spread.values),
            }
            for tool, spread in spreads.items()
            if spread
        },
        "against": results.best_rival(row.name),
        "ratio": results.ratio(row.name),
        "limit": row.limit,
        "relative": row.relative,
        "held": results.held(row),
    }


def _scope(row: Row, results: Results) -> str:
    scope = results.scope.get(row.name)
    return f" ({scope})" if scope else ""


def _cell(spread: Spread | None, unit: str) -> str:
    if spread is None:
        return "-"
    if len(spread.values) == 1:
        return f"{_number(spread.median, unit)} {unit}"
    return (
        f"{_number(spread.median, unit)} {unit} ({_number(spread.least, unit)}-{_number(spread.most, unit)})"
    )


def _number(value: float, unit: str) -> str:
    if unit == "requests":
        return f"{value:g}"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"
