"""The command line's grammar: whole for help, and one verb's part for a command, which says the same."""

from __future__ import annotations

import argparse
import subprocess
import sys

import pytest

from vml_jupyter.cli.main import ROOMS, main, parser

VERBS = [verb for verbs in ROOMS.values() for verb in verbs]


def choices(of: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    [verbs] = [each for each in of._actions if isinstance(each, argparse._SubParsersAction)]
    return dict(verbs.choices)


def test_the_table_says_which_module_adds_a_verb() -> None:
    assert list(choices(parser())) == VERBS
    for verbs in ROOMS.values():
        for verb in verbs:
            assert tuple(choices(parser(only=verb))) == verbs


@pytest.mark.parametrize("verb", VERBS)
def test_one_verbs_help_is_that_of_the_whole(verb: str) -> None:
    assert choices(parser(only=verb))[verb].format_help() == choices(parser())[verb].format_help()


@pytest.mark.parametrize("words", [[], ["lst"], ["--nothing"]])
def test_what_is_no_verb_is_told_all_of_them(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "`vml --help` tells more" in capfd.readouterr().err
    assert set(choices(parser(only="".join(words)))) == set(VERBS)


def test_a_command_imports_the_module_of_its_verb_alone() -> None:
    code = (
        "import sys\nfrom vml_jupyter.cli.main import ROOMS, parser\nparser(only='list')\n"
        "print(*[room for room in ROOMS if f'vml_jupyter.cli.{room}' in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["entries"]
