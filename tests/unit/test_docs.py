"""The documentation: it builds without a warning and without a network, and what it tells to type can be typed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import reference_pages

from vml_jupyter.cli.main import joined
from vml_jupyter.errors import VmlError
from vml_jupyter.kernel.arguments import grammar

TOP = Path(__file__).parents[2]
PAGES = [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
_FENCED = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\s*%?vml (?P<words>[a-z].*)$", re.MULTILINE)
_INLINE = re.compile(r"`%?vml ([a-z][a-z]+)[^`|]*`")


def commands(page: Path) -> Iterator[str]:
    for block in _FENCED.findall(page.read_text("utf-8")):
        for found in _COMMAND.finditer(block):
            yield found["words"].split("   #")[0].split("  #")[0].strip()


def test_there_are_commands_to_look_at() -> None:
    found = {page.name: len(list(commands(page))) for page in PAGES}
    assert found["how-to.md"] > 40
    assert found["tutorial.md"] > 10
    assert found["README.md"] > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_in_the_grammar(page: Path) -> None:
    for line in commands(page):
        try:
            grammar().parse_args(joined(shlex.split(line)))
        except VmlError as error:
            pytest.fail(f"{page.name}: vml {line}: {error}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_verb_that_is_named_exists(page: Path) -> None:
    known = {verb.prog.split()[1] for verb in reference_pages.verbs(grammar()) if " " in verb.prog}
    assert set(_INLINE.findall(page.read_text("utf-8"))) <= known


def test_every_verb_is_explained_somewhere() -> None:
    page = reference_pages.command_line_page()
    for verb in reference_pages.verbs(grammar()):
        assert f"## {verb.prog.removeprefix('%')}\n" in page or " " not in verb.prog


def test_the_pages_made_from_the_code_have_all_of_it(tmp_path: Path) -> None:
    reference_pages.write_into(tmp_path)
    errors = (tmp_path / "errors.md").read_text()
    assert "| `MachineNotReady` | `machine-not-ready` | 504 |" in errors
    assert "| `WouldOverwrite` |" in errors
    assert "shape.memory_mib" in (tmp_path / "settings.md").read_text()
    assert "# How it looks" in (tmp_path / "screens.md").read_text()


@pytest.mark.timeout(600)
def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    words = ["-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", str(tmp_path / "trees")]
    done = subprocess.run(
        [sys.executable, *words, str(TOP / "docs"), str(tmp_path / "html")], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    python = (tmp_path / "html" / "reference" / "python.html").read_text("utf-8")
    for name in ("snapshot", "restore_files", "standard_take", "config_set"):
        assert f'id="vml_jupyter.api.{name}"' in python
    assert "vml standard take" in (tmp_path / "html" / "reference" / "made" / "command-line.html").read_text()
