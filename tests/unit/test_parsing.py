"""One error whatever is wrong with JSON from elsewhere, and every parser of it among those that are fuzzed."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from untrusted import TARGETS, seeds

import vml_jupyter
from vml_jupyter.parsing import Parser, is_shallow, parse

PACKAGE = Path(vml_jupyter.__file__).parent
NESTED = b"[" * 3000 + b"]" * 3000

OURS = {
    "environment/interpreter.py": "what the Python of a kernel prints, which runs as this user",
    "environment/kernelspec.py:_installed": "a kernel that is installed on this computer",
    "environment/remembered.py": "our cache",
    "flows/added.py": "what the user added",
    "flows/area_server.py": "told by the process that started this one",
    "flows/areas.py": "beside a machine of this user's",
    "flows/config.py": "the user's settings",
    "flows/launch_records.py": "our records of launchers",
    "flows/machine_capture.py": "beside a machine of this user's",
    "flows/origins.py": "our cache",
    "flows/said.py": "the user's settings",
    "flows/setting_table.py": "a variable of the user's",
    "flows/warm_maker.py": "told by the process that started this one",
    "flows/notebooks.py:_converted": "what nbformat wrote just now",
    "jobs": "our journal and estimates",
    "kernel": "this kernel's own notebook and output",
    "machine": "our records of machines, and what libvirt and qemu-img say",
    "release/memory.py": "our cache",
    "release/part.py": "our own unfinished download",
    "server": "the user's own browser; a machine's wish is three short texts",
}  # fmt: skip
"""Where what is parsed was written by this user's own programs; all else is foreign."""

RAW = {
    "guest/agent.py", "guest/teller.py", "guest/jupyter_adopt.py",  # run inside the machine, with its library alone
    "guest/vml_keep.py",  # likewise
    "launcher/script.py",  # travels as one file
    "kernel/page.py",  # what was encoded a line before
    "machine/standard.py", "release/carrier.py",  # qemu-img's own JSON
    "release/blocks.py",  # a block of an image, 32 kB
    "snapshot/worker.py", "snapshot/writers.py", "snapshot/wire.py",  # between processes of ours
    "parsing.py",
}  # fmt: skip
"""Which modules may decode without ``parsing``."""


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"\xff", b'{"a":"\xff"}', b'{"zz":' + NESTED + b"}", b'{"a":' + b"9" * 5000 + b"}"],
)
def test_one_error(raw: bytes) -> None:
    class Record(msgspec.Struct):
        a: int = 0

    for call in (lambda: Parser(Record).parse(raw), lambda: parse(raw, Record)):
        with pytest.raises(msgspec.DecodeError):
            call()
    with pytest.raises(msgspec.DecodeError, match="nested too deeply"):
        Parser(Record, packed=True).parse(b"\x81\xa2zz" + b"\x91" * 3000 + b"\x01")


def test_shallow() -> None:
    value: Any = 1
    for _ in range(98):
        value = {"a": value} if isinstance(value, list) else [value]
    assert is_shallow([value] * 1000)
    assert not is_shallow([[[1]]], most=2)
    assert not is_shallow(msgspec.json.decode(b"[" * 500 + b"1" + b"]" * 500))


def calls() -> Iterator[tuple[str, str, str]]:
    """Yield file, enclosing function or variable, and what is called, wherever JSON or MessagePack is decoded."""
    for file in sorted(PACKAGE.rglob("*.py")):
        name = str(file.relative_to(PACKAGE))
        if not name.startswith(("labextension", "release/mini")):
            yield from ((name, *found) for found in in_tree(ast.parse(file.read_text()), ""))


def in_tree(node: ast.AST, inside: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        inside = node.name
    elif isinstance(node, ast.Assign) and not inside and isinstance(node.targets[0], ast.Name):
        inside = node.targets[0].id
    if isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        if (
            called in ("parse", "Parser")
            or called.endswith((".Decoder", "json.decode", "msgpack.decode"))
            or called in ("json.loads", "json.load", "nbformat.reads", "nbformat.read", "pickle.loads")
        ):
            yield inside, called
    for child in ast.iter_child_nodes(node):
        yield from in_tree(child, inside)


def test_everything_is_decoded_in_one_place() -> None:
    odd = {name for name, _, called in calls() if called not in ("parse", "Parser", "nbformat.reads")}
    assert odd == RAW


def test_every_parser_of_what_others_wrote_is_fuzzed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new parser needs a target in ``tests/soak``, or a reason in ``OURS``."""
    known = {
        (name, inside)
        for name, inside, called in calls()
        if called in ("parse", "Parser") and name not in ("parsing.py", "kernel/magics.py")
    }
    reasons = {(name, inside): {name.split("/")[0], name, f"{name}:{inside}"} for name, inside in known}
    foreign = {where for where, keys in reasons.items() if not keys & OURS.keys()}
    here = reached(monkeypatch)
    assert foreign <= here, f"no target reaches {sorted(foreign - here)}"
    assert OURS.keys() <= set().union(*reasons.values()), "a reason that is not needed any more"


def reached(monkeypatch: pytest.MonkeyPatch) -> set[tuple[str, str]]:
    """Return which parsers the targets' seeds come to: file, and function or variable."""
    modules = {name: module for name, module in list(sys.modules.items()) if name.startswith("vml_jupyter.")}
    instances = {
        id(value): (name.removeprefix("vml_jupyter.").replace(".", "/") + ".py", variable)
        for name, module in modules.items()
        for variable, value in vars(module).items()
        if isinstance(value, Parser)
    }
    found: set[tuple[str, str]] = set()
    parse_with = Parser.parse

    def by_instance(self: Parser[Any], raw: bytes) -> Any:
        found.add(instances.get(id(self), ("", "")))
        return parse_with(self, raw)

    def by_function(*arguments: Any) -> Any:
        code = sys._getframe(1).f_code
        found.add((str(Path(code.co_filename).relative_to(PACKAGE)), code.co_name))
        return parse(*arguments)

    monkeypatch.setattr(Parser, "parse", by_instance)
    for module in modules.values():
        if vars(module).get("parse") is parse and module.__name__ != parse.__module__:
            monkeypatch.setattr(module, "parse", by_function)
    for name, inputs in seeds().items():
        for raw in inputs:
            TARGETS[name](raw)
    return found
