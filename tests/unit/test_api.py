"""``import vml_jupyter as vml``: the command line's verbs as functions, cheap to import; records that show well."""

from __future__ import annotations

import argparse
import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import vml_jupyter as vml
from vml_jupyter import api
from vml_jupyter.cli.main import parser
from vml_jupyter.errors import MachineGone, NotFound, Usage
from vml_jupyter.flows import machines as machine_flows
from vml_jupyter.flows.restore import Restored
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Entry, Machine, Release

NAMES = {"bin": ("bin_list", "bin_empty"), "import": ("import_",)}
"""Verbs whose second word is an argument, not a verb of its own."""


@pytest.fixture
def area(tmp_path: Path) -> Path:
    folder = tmp_path / "area"
    folder.mkdir()
    (folder / "data.csv").write_text("pt\n1\n")
    return folder


def verbs(parser: argparse.ArgumentParser, before: str = "") -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield f"{before}{name}"
                yield from verbs(below, f"{before}{name}_")


def test_every_verb_of_the_command_line_is_a_function() -> None:
    groups = {"standard", "key", "config", "appliance"}
    for verb in set(verbs(parser())) - groups:
        for name in NAMES.get(verb, (verb,)):
            assert callable(getattr(vml, name)), verb
            assert inspect.getdoc(getattr(vml, name)), verb


def test_the_package_names_what_the_api_has() -> None:
    assert set(api.__all__) <= set(vml.__all__)
    assert all(name in dir(vml) for name in vml.__all__)
    assert "settings" in inspect.signature(vml.restore).parameters
    tree = ast.parse(Path(vml.__file__).read_text())
    typed = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        for line in node.body
        if isinstance(line, ast.ImportFrom)
        for alias in line.names
    }
    assert typed == set(vml.__all__), "what type checkers are told"
    assert Path(vml.__file__).with_name("py.typed").exists()


def test_importing_the_package_imports_nothing_else() -> None:
    code = (
        "import sys, vml_jupyter as vml\n"
        "print(*(name for name in sys.modules if name.startswith('vml_jupyter.')))\n"
        "vml.entries\n"
        "print(*(name for name in ('libvirt', 'IPython', 'nbformat', 'obstore', 'requests') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n\n"


@pytest.mark.parametrize(
    "module", ["cli", "cli.machines", "flows.restore", "flows.capture", "machine.companion"]
)
def test_what_a_command_may_not_need_is_not_imported_before(module: str) -> None:
    """A warm restore takes about three seconds; each of these takes a tenth of one to import."""
    slow = ("requests", "cryptography.x509", "nbformat", "nbdime", "obstore", "tornado", "IPython", "libvirt")
    code = f"import sys, vml_jupyter.{module}\nprint(*(name for name in {slow} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_verb_keeps_its_name_though_a_room_is_called_the_same() -> None:
    code = (
        "import vml_jupyter as vml\n"
        "import vml_jupyter.snapshot.compare, vml_jupyter.environment, vml_jupyter.context\n"
        "from vml_jupyter.snapshot import take\n"
        "from vml_jupyter import snapshot\n"
        "print(vml.snapshot is snapshot, vml.snapshot.__module__, vml.environment.__module__, vml.context.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", *["vml_jupyter.api.work"] * 3]


def test_a_name_that_is_none() -> None:
    with pytest.raises(AttributeError, match="no_such_verb"):
        vml.no_such_verb  # type: ignore[attr-defined]  # noqa: B018  # what is tried


def test_the_logbook_by_functions(settings: Settings, area: Path, tmp_path: Path) -> None:
    assert vml.entries(settings=settings) == []
    assert vml.preview(area, settings=settings).files == 1
    first = vml.snapshot(area, title="first", tags=["one"], settings=settings)
    (area / "data.csv").write_text("pt\n2\n")
    second = vml.snapshot(str(area), settings=settings)
    assert [entry.id for entry in vml.list(settings=settings)] == [second.id, first.id]
    assert [entry.id for entry in vml.entries("first", settings=settings)] == [first.id]
    assert vml.show(first.id[:6], settings=settings).title == "first"
    assert vml.durability(first.id, settings=settings).state == "unnamed"
    changed = vml.edit(first.id, title="better", add_tags=["two"], remove_tags=["one"], settings=settings)
    assert (changed.title, changed.tags) == ("better", ("two",))
    found = vml.diff(second.id, settings=settings)
    assert [change.path for change in found.files] == ["data.csv"]
    assert "1 changed" in repr(found)
    assert vml.restore_files(first.id, tmp_path / "back", settings=settings).files == 1
    assert (tmp_path / "back" / "data.csv").read_text() == "pt\n1\n"
    vml.forget(first.id, second.id, settings=settings)
    assert len(vml.bin_list(settings=settings)) == 2
    vml.unforget(first.id, settings=settings)
    assert [entry.id for entry in vml.bin_empty(settings=settings)] == [second.id]
    assert vml.check(settings=settings, read_data=True).clean
    assert vml.prune(settings=settings, dry_run=True).dry_run
    assert vml.unlock(settings=settings) == 0
    key = vml.key_add("another", settings=settings)
    assert len(vml.key_list(settings=settings)) == 2
    assert vml.key_remove(key.id, settings=settings).id == key.id
    with pytest.raises(NotFound):
        vml.show("zzzz", settings=settings)


def test_settings_of_ones_own(tmp_path: Path, area: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VML_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("VML_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("VML_LOGBOOK", raising=False)
    other = vml.settings(logbook=str(tmp_path / "other"))
    entry = vml.snapshot(area, title="there", settings=other)
    assert vml.entries() == []
    assert [one.id for one in vml.entries(settings=other)] == [entry.id]
    with pytest.raises(TypeError):
        vml.settings(no_such_field=1)


def test_an_unknown_release_is_refused(settings: Settings, area: Path) -> None:
    with pytest.raises(Usage):
        vml.fetch("not a release", settings=settings)


MACHINE = Machine(
    id="k3v9x0c2mqa7",
    entry="0123456789ab",
    release=Release(system="4.5.0.1"),
    state="running",
    title="Z mass",
    url="http://k3v9x0c2mqa7.localhost:4444/lab?token=secret",
)


def test_records_show_well_and_without_keys(settings: Settings, area: Path) -> None:
    assert repr(MACHINE) == "<Machine k3v9x0c2mqa7, running: CernVM 4.5.0.1, entry 0123456789ab 'Z mass'>"
    restored = Restored(machine=MACHINE, url=MACHINE.url, accelerator="tcg", warm=False, seconds={}, notes=[])
    assert "secret" not in repr(restored)
    entry: Entry = vml.snapshot(area, title="Z", settings=settings)
    assert repr(entry).startswith(f"<Entry {entry.id} of 20")
    assert "'Z', 1 files, 5 bytes, in no CernVM" in repr(entry)
    assert len(repr(entry.environment)) < 300


def test_a_machine_that_is_not_there_to_be_opened(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {
        "one": MACHINE,
        "two": Machine(id="two", entry="e", release=Release(system="1"), state="suspended"),
    }
    monkeypatch.setattr(machine_flows, "find_machine", lambda settings, machine: told[machine])
    assert vml.open("one", settings=settings).url == MACHINE.url
    with pytest.raises(MachineGone, match="vml resume two"):
        vml.open("two", settings=settings)
