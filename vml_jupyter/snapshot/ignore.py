"""What a snapshot leaves out: the rules of ``.vmlignore``, after those that always hold.

    .vmlignore in the working area, or in a folder of it for what is below, in gitignore's language:
        results/*.root        leave these out
        !__pycache__/         but do keep what the defaults leave out

The defaults are what programs make again by themselves from what lies in the area, and what they leave there
while they run. What has to be fetched again (``node_modules``, an environment's ``site-packages``) is kept: one
day it cannot be. A folder that is left out is never entered.
"""

from __future__ import annotations

import errno
import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

from vml_jupyter.errors import BadArea

FILE_NAME = ".vmlignore"

DEFAULTS = (
    ".ipynb_checkpoints/",
    "__pycache__/",
    "*.py[co]",
    ".cache/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".~lock.*#",
    ".nfs????????????????????????",
    ".Trash-*/",
)

LARGEST = 1 << 20
_LONGEST_LINE, _MOST_LINES, _MOST_WILDCARDS = 4096, 10_000, 5_000
"""Of one file; wildcards of all files that speak of one path."""
_STAR = "[^/]*"  # what pathspec makes of "*" in a name; neither can be part of anything else it makes
_FOLDERS, _FOLDERS_FIRST = "(?:/.+)?", "(?:.+/)?"  # and of "**" between folders, and in front
_PART_END = "(?=/|\\Z)"
_MARK = "(?P<ps_d>/)"  # where pathspec notes that what matched is a folder
_BRACKETS = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\\\]])*\]", re.DOTALL
)  # in what pathspec makes, and what is escaped
_CLASS = re.compile(r"(?<=[\[!^\]])\[:([a-z]+):\](?=.*\])")  # which pathspec does not know
_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": " \t",
    "digit": "0-9",
    "lower": "a-z",
    "space": " \t\n\r\f\v",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Rule(NamedTuple):
    """One line: ``file`` is where it stands, relative to the area, '' for a default."""

    file: str
    line: str
    keeps: bool
    regex: re.Pattern[str]


class _Layer(NamedTuple):
    """The rules of one file for what is below ``folder``, the last one first, and the names they may match."""

    folder: str
    rules: list[Rule]
    names: re.Pattern[str] | None

    def decide(self, path: str, name: str) -> Rule | None:
        """Return the rule that decides about a path, None where none speaks of it."""
        if self.names is not None and self.names.fullmatch(name) is None:
            return None
        below = path[len(self.folder) :]
        return next((rule for rule in self.rules if rule.regex.search(below)), None)


class Rules:
    """Tells of a path below the working area whether it stays out; ``counts`` says which rule kept out how many.

    The walk enters a folder before it asks about what is in it.
    """

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._pending: list[tuple[str, str, Sequence[str]]] = [
            ("", "", DEFAULTS),
            ("", FILE_NAME, list(lines)),
        ]
        self._layers: dict[str, tuple[_Layer, ...]] = {"": ()}
        self._wildcards = {"": 0}
        self._here: tuple[str, tuple[_Layer, ...]] = ("", ())
        self.counts: Counter[Rule] = Counter()

    @classmethod
    def of(cls, area: Path) -> Rules:
        """Read the rules of a working area.

        Raises:
            BadArea: ``.vmlignore`` is there, but cannot be read or understood.
        """
        rules = cls()
        try:
            folder = os.open(area, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return rules  # the walk says better what is wrong with the area
        try:
            rules.enter("", folder)
        finally:
            os.close(folder)
        return rules

    def enter(self, relative: str, folder: int) -> None:
        """Heed the rules that stand in a folder.

        Args:
            relative: The folder, ending with ``/``, '' for the area itself.
            folder: Its descriptor.

        Raises:
            BadArea: They cannot be read or understood.
        """
        text = _read(relative, folder)
        if text is not None:
            self.heed(relative, text)

    def heed(self, relative: str, text: str) -> None:
        """Heed rules that stand in a folder, each byte of them as a character.

        Raises:
            BadArea: They are more than anybody writes by hand: each is tried on every name.
        """
        lines = text.removeprefix("\xef\xbb\xbf").split("\n")
        self._require_bounded(relative, [line for line in lines if line.strip() and not line.startswith("#")])
        relative = _as_bytes(relative)
        self._pending.append((relative, relative + FILE_NAME, lines))

    def ignores(self, relative: str, is_folder: bool) -> bool:
        """Tell whether ``relative``, with ``/`` and without a leading one, stays out."""
        if self._pending:
            self._heed()
        if not relative.isascii():
            relative = _as_bytes(relative)
        folder, slash, name = relative.rpartition("/")
        if self._here[0] != folder + slash:
            self._here = (folder + slash, self._above(folder + slash))
        path = f"{relative}/" if is_folder else relative
        for layer in self._here[1]:
            rule = layer.decide(path, name)
            if rule:
                self.counts[rule] += not rule.keeps
                return not rule.keeps
        return False

    def _require_bounded(self, relative: str, lines: Sequence[str]) -> None:
        above = relative[: relative.rstrip("/").rfind("/") + 1]
        while above not in self._wildcards:
            above = above[: above.rstrip("/").rfind("/") + 1]
        wildcards = sum(line.count("*") + line.count("?") + line.count("[") for line in lines)
        wildcards += self._wildcards[above] if relative else 0
        self._wildcards[relative] = wildcards
        for is_so, what in (
            (len(lines) > _MOST_LINES, f"has more than {_MOST_LINES} rules"),
            (
                max(map(len, lines), default=0) > _LONGEST_LINE,
                f"has a line of more than {_LONGEST_LINE} bytes",
            ),
            (wildcards > _MOST_WILDCARDS, f"has more than {_MOST_WILDCARDS} wildcards, with those above it"),
        ):
            if is_so:
                raise BadArea(f"{relative}{FILE_NAME} {what}", "Make it shorter")

    def _heed(self) -> None:
        """Compile what was read since: a walk that meets nothing new asks for no rule, and pays for none."""
        for folder, file, lines in self._pending:
            layer = _layer(folder, file, lines)
            if layer:
                former = (old for old in self._above(folder) if old.folder != folder or not old.rules[0].file)
                self._layers[folder] = (layer, *former)
        self._pending.clear()
        self._here = ("", self._layers[""])

    def _above(self, folder: str) -> tuple[_Layer, ...]:
        """Return the layers for what is in ``folder``, the nearest first."""
        while folder not in self._layers:
            folder = folder[: folder.rstrip("/").rfind("/") + 1]
        return self._layers[folder]


def _as_bytes(name: str) -> str:
    """Return a name as its bytes, each as a character, as git has it: neither name nor rule need be UTF-8."""
    return os.fsencode(name).decode("latin-1")


def _read(relative: str, folder: int) -> str | None:
    try:
        descriptor = os.open(FILE_NAME, _OPEN, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        why = "it is a link" if error.errno == errno.ELOOP else error.strerror
        raise BadArea(f"{relative}{FILE_NAME} cannot be read: {why}", "Make it a readable file") from error
    with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor, no path
        try:
            text = file.read(LARGEST + 1).decode("latin-1")
        except OSError as error:
            raise BadArea(
                f"{relative}{FILE_NAME} cannot be read: {error.strerror}", "Make it a readable file"
            ) from error
    if len(text) > LARGEST:
        raise BadArea(f"{relative}{FILE_NAME} is larger than a list of rules can be", "Make it shorter")
    return text


def _layer(folder: str, file: str, lines: Iterable[str]) -> _Layer | None:
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern  # looks for other engines first

    rules: list[Rule] = []
    names: list[str] | None = []
    groups = count()
    for line in lines:
        line = _CLASS.sub(lambda match: _CLASSES.get(match[1], match[0]), _trimmed(line))
        try:
            text, includes = GitIgnoreSpecPattern.pattern_to_regex(line)
            if text is None or includes is None:
                continue
            regex = _compiled(_steady(_exact(line, text), groups))
        except (ValueError, re.error):  # the second for what Python refuses: "[z-a]"
            continue  # git passes over what it does not understand
        rules.insert(0, Rule(file, line, not includes, regex))
        last = _last_part(line, groups)
        names = None if names is None or last is None else [*names, last]
    if not rules:
        return None
    return _Layer(folder, rules, _compiled("|".join(names)) if names else None)


def _trimmed(line: str) -> str:
    """Take off what git takes off; pathspec would take off more, such as the last byte of ``à`` in UTF-8."""
    line = line.removesuffix("\r")
    bare = line.rstrip(" ")
    escaped = (len(bare) - len(bare.rstrip("\\"))) % 2 == 1
    line = bare + " " if escaped and len(line) > len(bare) else bare
    return f"{line[:-1]}[{line[-1]}]" if line[-1:].isspace() and line[-1] != " " else line


def _compiled(text: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # "[[a]" may mean something else in Python one day
        return re.compile(text, re.DOTALL)


def _exact(line: str, text: str) -> str:
    """Make pathspec's expression match a thing itself and not what is below it: the walk takes care of that."""
    if text.endswith("/"):
        text += "."  # "a/**" is what is in a, not a
    text = _BRACKETS.sub(_without_slash, text)
    below = line.endswith("/**/") and text != _MARK  # "a/**/" are the folders in a, not a
    return text.replace(_MARK, "/.+/\\Z" if below else "/\\Z").replace("|$)", "|\\Z)")


def _without_slash(bracket: re.Match[str]) -> str:
    """Keep "[!a]" in its part of a path, as git does: no bracket of its means a "/"."""
    matches = bracket[0][0] == "[" and _compiled(bracket[0]).fullmatch("/")
    return f"(?=[^/]){bracket[0]}" if matches else bracket[0]


def _steady(text: str, groups: Iterator[int]) -> str:
    """Make an expression take a time in proportion to the path, however many stars are in it.

    ``*a*a*a*b`` tries every way to spread the ``a`` over a name of many, which takes hours. But where another star
    follows, the first place that fits is as good as any, so it is taken for good; likewise of folders between ``**``.
    """
    if text.count(_STAR) + text.count(_FOLDERS) < 2 or not text.startswith("^"):
        return text
    end = next(end for end in ("(?:/\\Z|\\Z)", "/.+/\\Z", "/\\Z", "/.") if text.endswith(end))
    body = text.removeprefix("^").removesuffix(end)
    loose = "(?:.+?/)??" if body.startswith(_FOLDERS_FIRST) else ""
    first, *others = body.removeprefix(_FOLDERS_FIRST).split(_FOLDERS)
    runs = [loose + _steady_parts(first, groups)]
    runs += ["(?:/.+?)??" + _steady_parts(run, groups) for run in others]
    last = runs.pop() if end.startswith("(?:") or end == "/\\Z" else ""  # that one stands at the path's end
    return "^" + "".join(_for_good(run + _PART_END, groups) for run in runs) + last + end


def _steady_parts(run: str, groups: Iterator[int]) -> str:
    """Make an expression for parts of a path, with ``/`` between them, try each part's stars one after the other."""
    return "".join(
        _steady_part(part, groups) if _STAR in part else part for part in re.split(r"(?<!\[\^)(/)", run)
    )


def _steady_part(part: str, groups: Iterator[int]) -> str:
    first, *between, last = part.split(_STAR)
    steady = (_for_good(f"{_STAR}?{piece}", groups) for piece in between if piece)
    return first + "".join(steady) + _STAR + last


def _for_good(text: str, groups: Iterator[int]) -> str:
    """Make an expression that is not tried in another way once it has matched; ``(?>)`` needs Python 3.11."""
    name = f"g{next(groups)}"
    return f"(?=(?P<{name}>{text}))(?P={name})"


def _last_part(line: str, groups: Iterator[int]) -> str | None:
    """Return an expression for the names that a rule may match, None where it may match any."""
    body = line.removeprefix("!").rstrip("/")
    last = body.rpartition("/")[2]
    if "**" in last or not last or ("/" in body and "[" in body):
        return None
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    text, _ = GitIgnoreSpecPattern.pattern_to_regex(f"/{last}/")
    return None if text is None else _steady_parts(text.removeprefix("^").removesuffix(_MARK), groups)
