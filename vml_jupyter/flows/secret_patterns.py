"""What a secret looks like in a text: the patterns of detect-secrets, on pieces that are small enough for them.

    text -> pieces of 4 KiB -> patterns of tokens and keys -> line, kind
                            `> lines in which something called a password gets a value -> line, kind

The patterns are called one by one: the library's own scan keeps its settings in globals, which threads share.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Protocol

_PIECE = 4096  # patterns cost up to the square of what they are given
_LINE = 1000
_SETTINGS = re.compile(r"(?:^|/)(?:\.env[^/]*|[^/]+\.(?:ini|cfg|conf|toml|ya?ml|properties|env))\Z")
_KEYWORD = re.compile(r"pass|pwd|secret|_?key|contrase", re.IGNORECASE)
_MODULES = (
    "artifactory",
    "aws",
    "azure_storage_key",
    "basic_auth",
    "cloudant",
    "discord",
    "github_token",
    "gitlab_token",
    "ibm_cloud_iam",
    "ibm_cos_hmac",
    "jwt",
    "mailchimp",
    "npm",
    "openai",
    "private_key",
    "pypi_token",
    "sendgrid",
    "slack",
    "softlayer",
    "square_oauth",
    "stripe",
    "telegram_token",
    "twilio",
)
"""The library's patterns, without public addresses and random-looking words: notebooks are full of both."""


class _Detector(Protocol):
    @property
    def secret_type(self) -> str: ...

    @property
    def denylist(self) -> Iterable[re.Pattern[str]]: ...


def kinds_in(text: str, path: str, deadline: float) -> Iterator[tuple[int, str]]:
    """Yield line and kind of what looks like a secret in a file's text; ends at ``deadline`` of the monotonic clock."""
    settings = bool(_SETTINGS.search(path))
    for line, piece in _pieces(text):
        if time.monotonic() > deadline:
            return
        for detector in _detectors():
            for match in (match for pattern in detector.denylist for match in pattern.finditer(piece)):
                if _is_sound(detector, match):
                    yield line + piece.count("\n", 0, match.start()), detector.secret_type
        for number, each in enumerate(piece.split("\n")):
            if _is_assigned(each, settings):
                yield line + number, "Password or key in an assignment"


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Cut a text between lines, or within one that is too long; yield pieces with the number of their first line."""
    piece: list[str] = []
    length, start, number = 0, 1, 0
    for number, line in enumerate(text.split("\n"), 1):
        if length and length + len(line) > _PIECE:
            yield start, "\n".join(piece)
            piece, length, start = [], 0, number
        if len(line) > _PIECE:
            step = _PIECE - 256
            yield from ((number, line[at : at + _PIECE]) for at in range(0, len(line), step))
            start = number + 1
            continue
        piece.append(line)
        length += len(line) + 1
    if piece:
        yield start, "\n".join(piece)


def _is_assigned(line: str, settings: bool) -> bool:
    """Tell whether something that is called a password or key gets a value here."""
    from detect_secrets.plugins import keyword

    if not _KEYWORD.search(line):
        return False
    groups = keyword.CONFIG_DENYLIST_REGEX_TO_GROUP if settings else None
    detector = keyword.KeywordDetector()
    windows = [line[at : at + _LINE] for at in range(0, len(line), _LINE)]
    return any(_counts(secret, each) for each in windows for secret in detector.analyze_string(each, groups))


def _is_sound(detector: _Detector, match: re.Match[str]) -> bool:
    from detect_secrets.filters import heuristic
    from detect_secrets.plugins.jwt import JwtTokenDetector

    if isinstance(detector, JwtTokenDetector):
        return bool(JwtTokenDetector.is_formally_valid(match[0]))
    value = match[match.lastindex or 0] or match[0]
    return not (heuristic.is_templated_secret(value) or heuristic.is_prefixed_with_dollar_sign(value))


def _counts(secret: str, line: str) -> bool:
    """Leave out what stands for a secret: a template, a variable, a call, a run of one character, a checksum's id."""
    from detect_secrets.filters import heuristic

    if len(secret) < 4 or len(set(secret)) < 3 or secret.lower() in _NONE:
        return False
    return not (
        heuristic.is_templated_secret(secret)
        or heuristic.is_prefixed_with_dollar_sign(secret)
        or heuristic.is_sequential_string(secret)
        or (len(line) < _PIECE and "\n" not in line and heuristic.is_indirect_reference(line))
    )


_NONE = frozenset(
    ("none", "null", "true", "false", "password", "secret", "changeme", "your_password", "xxxx")
)


@cache
def _detectors() -> tuple[_Detector, ...]:
    from importlib import import_module

    from detect_secrets.plugins.base import RegexBasedDetector

    found = []
    for name in _MODULES:
        module = import_module(f"detect_secrets.plugins.{name}")
        for each in vars(module).values():
            if (
                isinstance(each, type)
                and issubclass(each, RegexBasedDetector)
                and each.__module__ == module.__name__
            ):
                found.append(each())
    return tuple(found)
