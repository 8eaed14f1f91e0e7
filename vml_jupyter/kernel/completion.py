"""What TAB offers behind ``%vml``: verbs, options, entries with their titles, machines, releases.

    %vml restore k3<TAB>   ->   k3v9x0c2mqa7   Z mass, first fit

It looks at the grammar of the line up to the cursor, and asks the logbook, the hypervisor or what is remembered of
releases; never a server. What cannot be asked offers nothing: TAB must not raise.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from vml_jupyter import api
from vml_jupyter.errors import VmlError
from vml_jupyter.flows.setting_table import SETTINGS
from vml_jupyter.kernel.arguments import below, grammar
from vml_jupyter.model.address import masked

_LINE = re.compile(r"^\s*(?:[\w.]+\s*=\s*)?%vml\s+(?P<words>.*)$")
_OLD_S = 5.0
_MOST = 500

Offer = tuple[str, str]
"""A word, and what it means."""


class Completer:
    """Offer what may come next on a line of one shell."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, list[Offer]]] = {}

        @context_matcher(identifier="vml")  # type: ignore[untyped-decorator]  # IPython does not say
        def matcher(context: CompletionContext) -> SimpleMatcherResult:
            return self._match(context)

        self.matcher: Any = matcher  # what IPython calls; it wants a function

    def offers(self, line: str) -> list[Offer]:
        """Return what may stand at the end of a line, in the place of its last word."""
        found = _LINE.match(line)
        if not found:
            return []
        *before, last = re.split(r"\s+", found["words"])
        parser, expected = _expected(before)
        verbs = below(parser)
        if last.startswith("-"):
            options = [
                (name, action.help or "") for action in parser._actions for name in action.option_strings
            ]
            return _beginning(last, ((name, _filled(text)) for name, text in options))
        if expected is None:
            return _beginning(last, ((name, _help_of(parser, name)) for name in verbs))
        if expected.choices and not isinstance(expected, argparse._SubParsersAction):
            return _beginning(last, ((str(choice), "") for choice in expected.choices))
        kind = _KINDS.get(str(expected.metavar))
        return _beginning(last, self._asked(str(expected.metavar), kind)) if kind else []

    def _match(self, context: CompletionContext) -> SimpleMatcherResult:
        lines = context.full_text.split("\n")
        line = lines[context.cursor_line][: context.cursor_position]
        offers = self.offers(line)
        return {
            "completions": [SimpleCompletion(word, type=meaning or "vml") for word, meaning in offers],
            "matched_fragment": re.split(r"\s", line)[-1],
            "suppress": bool(offers),
            "do_not_suppress": set(),
            "ordered": True,
        }

    def _asked(self, name: str, ask: Callable[[], list[Offer]]) -> list[Offer]:
        """Ask, unless the answer is only seconds old: front ends complete at every key."""
        then, offers = self._known.get(name, (0.0, []))
        if not then or time.monotonic() - then > _OLD_S:
            try:
                offers = ask()
            except (VmlError, OSError):
                offers = []
            self._known[name] = (time.monotonic(), offers)
        return offers


def _expected(words: Iterable[str]) -> tuple[argparse.ArgumentParser, argparse.Action | None]:
    """Return where in the grammar a line is after some words, and which argument comes next; None for a verb."""
    parser = grammar()
    positionals, option = _positionals(parser), None
    for word in words:
        if option is not None:
            option = None
        elif word.startswith("-"):
            named = parser._option_string_actions.get(word)
            option = named if named is not None and named.nargs is None else None
        elif word in below(parser):
            parser = below(parser)[word]
            positionals = _positionals(parser)
        elif positionals and positionals[0].nargs not in ("+", "*"):
            positionals.pop(0)
    return parser, option or (positionals[0] if positionals else None)


def _positionals(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [
        action
        for action in parser._actions
        if not action.option_strings and not isinstance(action, argparse._SubParsersAction)
    ]


def _beginning(word: str, offers: Iterable[Offer]) -> list[Offer]:
    return [offer for offer in offers if offer[0].startswith(word)]


def _help_of(parser: argparse.ArgumentParser, verb: str) -> str:
    for action in parser._actions:
        for choice in getattr(action, "_choices_actions", ()):
            if choice.dest == verb:
                return str(choice.help or "")
    return ""


def _filled(text: str) -> str:
    return text.split("(default")[0].strip()


def _entries() -> list[Offer]:
    return [(entry.id, entry.title) for entry in api.entries(limit=_MOST)]


def _machines() -> list[Offer]:
    return [(machine.id, f"{machine.state}: {machine.title}") for machine in api.machines()]


def _releases() -> list[Offer]:
    return [(line.name or line.release.system, line.state) for line in api.releases(asking=False)]


def _settings() -> list[Offer]:
    return [(setting.name, setting.help) for setting in SETTINGS]


def _logbooks() -> list[Offer]:
    return [(name, masked(url)) for name, url in api.settings().logbooks.items()]


_KINDS: dict[str, Callable[[], list[Offer]]] = {
    "ENTRY": _entries,
    "A": _entries,
    "B": _entries,
    "M": _machines,
    "RELEASE": _releases,
    "X.Y.Z.W": _releases,
    "X.Y": _releases,
    "SETTING": _settings,
    "LOGBOOK": _logbooks,
}
