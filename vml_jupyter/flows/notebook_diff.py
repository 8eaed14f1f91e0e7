"""Compare two versions of a notebook cell by cell, with nbdime.

    bytes, bytes --strict decoding--> cells --cells paired--> nbdime --> its diff (JSON), its text, a list of cells

nbdime compares every cell with every other where it has no ids to go by, and every line with every other; a
minute for 200 changed cells. So cells are paired first and given ids, and what is too long to be read anyway is
replaced by its length and digest. Notebooks come from colleagues: one that is not what a notebook must be is
refused before nbdime sees it.
"""

from __future__ import annotations

import difflib
import hashlib
import io
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from vml_jupyter.errors import BadNotebook
from vml_jupyter.parsing import is_shallow, parse

LARGEST_BYTES = 64 << 20
_Cells = Annotated[list["_Cell"], Meta(max_length=10_000)]
_MOST_OUTPUTS = 20
_LONGEST_OUTPUTS = 20_000
_LINE_PAIRS = 1_000_000
_Text = str | list[str]


class _Output(msgspec.Struct, omit_defaults=True):
    output_type: str
    name: str | None = None
    text: _Text | None = None
    data: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    execution_count: int | None = None
    ename: str | None = None
    evalue: str | None = None
    traceback: list[str] | None = None


class _Cell(msgspec.Struct):
    cell_type: str
    source: _Text = ""
    metadata: dict[str, Any] = {}
    outputs: list[_Output] = []
    id: str = ""


class _Notebook(msgspec.Struct):
    nbformat: int
    cells: _Cells
    metadata: dict[str, Any] = {}


class CellChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One cell: its number before and after, counted from 0, and in ``what`` it differs."""

    kind: str
    type: str
    before: int | None = None
    after: int | None = None
    what: tuple[str, ...] = ()


class NotebookDiff(msgspec.Struct, frozen=True, kw_only=True):
    """How a notebook changed; ``nbdime`` is the change in nbdime's format, ``text`` the same for people."""

    cells: list[CellChange]
    metadata: bool
    nbdime: list[dict[str, Any]]
    text: str


def diff_notebooks(before: bytes, after: bytes) -> NotebookDiff:
    """Compare two notebook files.

    Raises:
        BadNotebook: One of them is none, or is too large to be compared so.
    """
    left, right = _read(before), _read(after)
    pairs = list(_pairs(left.cells, right.cells))
    budget = _LINE_PAIRS
    for number, (old, new) in enumerate(pairs):
        for cell in filter(None, (old, new)):
            cell.id = str(number)
        if old and new:
            budget -= _shorten(old, new, budget)
    return _diff(left, right)


def _diff(left: _Notebook, right: _Notebook) -> NotebookDiff:
    from nbdime.diffing.notebooks import diff_notebooks as compare
    from nbdime.prettyprint import PrettyPrintConfig, pretty_print_notebook_diff
    from nbformat import from_dict

    before, after = from_dict(_as_v4(left)), from_dict(_as_v4(right))  # type: ignore[no-untyped-call]
    try:
        diff = compare(before, after)
        text = io.StringIO()
        config = PrettyPrintConfig(out=text, use_git=False, use_diff=False, use_color=False)
        pretty_print_notebook_diff("before", "after", before, diff, config)
    except RuntimeError as error:  # which nbdime raises where a notebook is not as it expects
        raise BadNotebook(f"nbdime cannot compare them: {error}", "Compare its files instead") from error
    plain = msgspec.to_builtins(diff)
    cells: list[dict[str, Any]] = next((op["diff"] for op in plain if op["key"] == "cells"), [])
    return NotebookDiff(
        cells=list(_changes(cells, left.cells)),
        metadata=any(op["key"] != "cells" for op in plain),
        nbdime=plain,
        text="\n".join(text.getvalue().splitlines()[3:]),
    )


def _changes(diff: Sequence[dict[str, Any]], before: Sequence[_Cell]) -> Iterator[CellChange]:
    """Number the cells that nbdime's diff of the list of cells speaks of."""
    shift = 0
    for op in diff:
        at = op["key"]
        if op["op"] == "addrange":
            for cell in op["valuelist"]:
                yield CellChange(kind="added", type=cell["cell_type"], after=at + shift)
                shift += 1
        elif op["op"] == "removerange":
            for number in range(at, at + op["length"]):
                yield CellChange(kind="removed", type=before[number].cell_type, before=number)
            shift -= op["length"]
        else:
            what = tuple(dict.fromkeys(str(inner["key"]) for inner in op["diff"]))
            type_ = before[at].cell_type
            yield CellChange(kind="changed", type=type_, before=at, after=at + shift, what=what)


def _read(raw: bytes) -> _Notebook:
    if len(raw) > LARGEST_BYTES:
        raise BadNotebook(
            "the notebook is too large to be compared cell by cell", "Compare its files instead"
        )
    try:
        found = parse(raw, _Notebook)
    except msgspec.DecodeError as error:
        raise BadNotebook(f"this is no notebook: {str(error)[:200]}", "Compare its files instead") from error
    outputs = [output for cell in found.cells for output in cell.outputs]
    loose = [found.metadata, *(cell.metadata for cell in found.cells)]
    if not is_shallow([*loose, *([output.data, output.metadata] for output in outputs)]):
        raise BadNotebook("this is no notebook: it is nested too deeply", "Compare its files instead")
    return found


def _as_v4(notebook: _Notebook) -> dict[str, Any]:
    cells = []
    for cell in notebook.cells:
        told: dict[str, Any] = {
            "id": cell.id,
            "cell_type": cell.cell_type,
            "metadata": _flat(cell.metadata),
            "source": _joined(cell.source),
        }
        if cell.cell_type == "code":
            told["outputs"] = [_output(output) for output in cell.outputs]
            told["execution_count"] = None  # which changes whenever a cell is run and says nothing
        cells.append(told)
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": _flat(notebook.metadata), "cells": cells}


def _output(output: _Output) -> dict[str, Any]:
    kind = output.output_type
    if kind == "stream":
        return {"output_type": kind, "name": output.name or "stdout", "text": _joined(output.text or "")}
    if kind == "error":
        traceback = output.traceback or []
        name, value = output.ename or "", output.evalue or ""
        return {"output_type": kind, "ename": name, "evalue": value, "traceback": traceback}
    told = {"output_type": "display_data", "data": _flat(output.data), "metadata": _flat(output.metadata)}
    return told | ({"output_type": kind, "execution_count": None} if kind == "execute_result" else {})


def _flat(values: dict[str, Any] | None) -> dict[str, str]:
    """Return values as texts: what is nested has no limits, and nbdime's rules are for what it knows."""
    return {key: _flat_value(value) for key, value in (values or {}).items()}


def _flat_value(value: object) -> str:
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _joined(text: _Text) -> str:
    return text if isinstance(text, str) else "".join(text)


def _pairs(before: Sequence[_Cell], after: Sequence[_Cell]) -> Iterator[tuple[_Cell | None, _Cell | None]]:
    """Yield the cells that belong together, by their ids, or where one lacks them by their text and order."""
    keys = [[cell.id for cell in cells] for cells in (before, after)]
    if any("" in ids or len(set(ids)) < len(ids) for ids in keys):
        keys = [[f"{cell.cell_type}\n{_joined(cell.source)}" for cell in cells] for cells in (before, after)]
        by_order = True
    else:
        by_order = False
    matcher = difflib.SequenceMatcher(None, keys[0], keys[1], autojunk=False)
    for kind, start, end, other_start, other_end in matcher.get_opcodes():
        olds, news = before[start:end], after[other_start:other_end]
        together = min(len(olds), len(news)) if kind == "equal" or by_order else 0
        yield from zip(olds[:together], news[:together], strict=True)
        yield from ((old, None) for old in olds[together:])
        yield from ((None, new) for new in news[together:])


def _shorten(old: _Cell, new: _Cell, budget: int) -> int:
    """Replace what is too long to compare; returns how many pairs of lines are left to compare in the sources."""
    outputs = [msgspec.json.encode(cell.outputs) for cell in (old, new)]
    if outputs[0] != outputs[1] and (
        max(map(len, outputs)) > _LONGEST_OUTPUTS or max(len(old.outputs), len(new.outputs)) > _MOST_OUTPUTS
    ):
        for cell, raw in zip((old, new), outputs, strict=True):
            text = f"{len(cell.outputs)} outputs, {_stand_in(raw)}"
            cell.outputs = [_Output(output_type="stream", name="stdout", text=text)]
    sources = [_joined(cell.source) for cell in (old, new)]
    if sources[0] == sources[1]:
        return 0
    cost = (sources[0].count("\n") + 1) * (sources[1].count("\n") + 1)
    if cost <= budget and max(map(len, sources)) <= _LINE_PAIRS:
        return cost
    for cell, source in zip((old, new), sources, strict=True):
        cell.source = _stand_in(source.encode("utf-8", "surrogatepass"))
    return 0


def _stand_in(raw: bytes) -> str:
    return f"{len(raw)} bytes, too long to be compared here; SHA-256 {hashlib.sha256(raw).hexdigest()[:16]}"
