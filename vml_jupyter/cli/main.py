"""The door for terminals: ``vml``. Parse, call one flow, print text for people or one JSON object for programs."""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from vml_jupyter import __version__
from vml_jupyter.cli import output, passwords
from vml_jupyter.errors import Cancelled, SecretsFound, Usage, VmlError, of_system
from vml_jupyter.flows.settings import Settings, load

FAILED = 1
MISUSED = 2
INTERRUPTED = 130
_YOUNG = 50_000


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}. `{self.prog} --help` tells more.", file=sys.stderr)
        sys.exit(MISUSED)


# Which module adds which verbs, in the order of the help: a command imports that of its own verb alone.
ROOMS = {
    "snapshot": ("snapshot",),
    "entries": ("list", "edit", "forget", "unforget", "bin"),
    "show": ("show",),
    "diff": ("diff",),
    "restore": ("restore",),
    "context": ("context",),
    "image": ("image",),
    "environment": ("environment",),
    "upkeep": ("check", "prune", "unlock", "key"),
    "releases": ("releases", "fetch"),
    "machines": ("machines", "open", "suspend", "resume", "start", "stop", "delete", "capture"),
    "standard": ("standard",),
    "warm": ("warm",),
    "sharing": ("export", "import", "trust"),
    "launcher": ("launcher", "launches"),
    "appliance": ("appliance",),
    "doctor": ("doctor",),
    "config": ("config",),
}


def parser(
    program: str = "vml",
    kind: type[argparse.ArgumentParser] = _Parser,
    *,
    with_version: bool = True,
    only: str = "",
) -> argparse.ArgumentParser:
    """Return the grammar of the command line, which notebooks speak, too.

    Args:
        program: What it is called by.
        kind: How mistakes are told.
        with_version: Whether it can be asked for its version.
        only: The one verb that is wanted, with those of its module, which is quicker; everything if it is no verb.
    """
    top = kind(
        prog=program,
        description="The Virtual Machine Logbook: capture a notebook with its CernVM, and go back.",
    )
    if with_version:
        top.add_argument("--version", action="version", version=f"vml {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=kind)
    for room in [room for room, its in ROOMS.items() if only in its] or ROOMS:
        importlib.import_module(f"vml_jupyter.cli.{room}").add_verbs(verbs, _common())
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 (failed) or 2 (usage)."""
    words = joined(sys.argv[1:] if argv is None else argv)
    arguments = parser(only=words[0] if words else "").parse_args(words)
    # Records by the hundred thousand and no cycles among them: looking for some takes a tenth of the time.
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 100)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        settings = settings_of(arguments)
        return int(arguments.run(settings, arguments) or 0)
    except VmlError as error:
        _say(error, arguments.json)
        return MISUSED if isinstance(error, Usage) else FAILED
    except KeyboardInterrupt:
        _say(Cancelled("interrupted; nothing half-made was left"), arguments.json)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        _say(of_system(error), arguments.json)
        return FAILED


def joined(words: Sequence[str]) -> list[str]:
    """Write ``--tag -x`` as ``--tag=-x``, since argparse takes ``-x`` for an option of its own."""
    found: list[str] = []
    for word in words:
        if found and found[-1] == "--tag" and word.startswith("-") and not word.startswith("--"):
            found[-1] = f"--tag={word}"
        else:
            found.append(word)
    return found


def _common() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--logbook",
        metavar="LOGBOOK",
        help="the logbook: a place, or a name among `logbooks` (default: your own)",
    )
    common.add_argument(
        "--password-file", metavar="FILE", type=Path, help="file whose first line is its password"
    )
    common.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    return common


def settings_of(arguments: argparse.Namespace) -> Settings:
    """Return the user's settings, with the options that every verb has on top."""
    password = passwords.read(arguments.password_file) if arguments.password_file else None
    return load().using(logbook=arguments.logbook, logbook_password=password)


def _say(error: VmlError, as_json: bool) -> None:
    for line in f"vml: {error}".splitlines():
        print(output.plain(line), file=sys.stderr)
    findings = error.findings if isinstance(error, SecretsFound) else ()
    for each in findings:
        print(output.plain("  {path} {where}: {kind}".format(**each)), file=sys.stderr)
    if as_json:
        told: dict[str, object] = {"code": error.code, "message": error.message, "hint": error.hint}
        told |= {"choices": error.choices} if error.choices else {}
        output.as_json({"error": told | ({"findings": findings} if findings else {})})


def _interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
