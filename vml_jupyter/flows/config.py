"""Look at the settings and change what the configuration file says of them.

    set("shape.cpus", "4")                    {"shape": {"cpus": 4}}
    set("logbooks.group", "s3://group/logs")  {"logbooks": {"group": "s3://group/logs"}}

A file that is not understood is never written: it may hold what its owner still wants.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_origin

import msgspec

from vml_jupyter.errors import NotFound, Usage
from vml_jupyter.flows.said import FILE, flat, folders, of_file, read_file, values
from vml_jupyter.flows.setting_table import (
    BY_NAME,
    SETTINGS,
    Setting,
    masked_of,
    parsed,
    require_no_secret,
    shown,
)
from vml_jupyter.parsing import parse
from vml_jupyter.replacing import replace_file

_HIDDEN = "(set, not shown)"


class Configured(msgspec.Struct, frozen=True, kw_only=True):
    """One setting as it is now.

    ``origin`` is ``environment``, ``file`` or ``default``; ``value`` is None where a default depends on others, as
    ``shown`` then says. ``variable`` is empty where none says it.
    """

    name: str
    value: Any
    shown: str
    origin: str
    variable: str
    help: str
    wants: str


def listing(environ: Mapping[str, str] = os.environ) -> list[Configured]:
    """Return every setting with its value and where that comes from.

    Raises:
        Usage: The configuration file or a variable is not what it must be.
    """
    told = values(environ)
    return [_configured(setting, told[setting.name].value, told[setting.name].origin) for setting in SETTINGS]


def get(name: str, environ: Mapping[str, str] = os.environ) -> Configured:
    """Return one setting, or one line of a setting that has names inside, such as ``logbooks.group``.

    Raises:
        NotFound: There is no such setting or line.
        Usage: The configuration file or a variable is not what it must be.
    """
    setting, key = _named(name)
    told = values(environ)[setting.name]
    if not key:
        return _configured(setting, told.value, told.origin)
    if key not in told.value:
        raise NotFound(f"`{name}` is not set", f"`vml config get {setting.name}` shows what is.")
    return msgspec.structs.replace(_configured(setting, told.value[key], told.origin), name=name)


def set(name: str, words: Sequence[str], environ: Mapping[str, str] = os.environ) -> Configured:
    """Write a value into the configuration file, and return how the setting is now: a variable may still beat it.

    Args:
        name: A setting, or a line inside one.
        words: Its value as a person writes it: a word, several for a list, or JSON.
        environ: The environment.

    Raises:
        NotFound: There is no such setting.
        Usage: It cannot have that value, or only a variable can say it; nothing was changed.
    """
    setting, key = _writable(name)
    value: Any = " ".join(words) if key else parsed(setting, list(words), name)
    require_no_secret(setting, value)
    _change(environ, setting, key, value)
    return get(name, environ)


def set_text(name: str, text: str, environ: Mapping[str, str] = os.environ) -> Configured:
    """Write a value that came as one text, as out of a field of a form; spaces part the values of a list.

    Raises:
        NotFound, Usage: As ``set`` does.
    """
    setting, key = _named(name)
    is_list = not key and get_origin(setting.type) is list
    return set(name, text.split() if is_list and not text.lstrip().startswith("[") else [text], environ)


def unset(name: str, environ: Mapping[str, str] = os.environ) -> Configured | None:
    """Take a setting out of the configuration file and return how it is now; None for a line that is gone.

    Raises:
        NotFound: There is no such setting, or the file does not say it.
    """
    setting, key = _writable(name)
    said = read_file(file_of(environ)).get(setting.name)
    if said is None or (key and key not in said):
        raise NotFound(
            f"`{name}` is not in {file_of(environ)}", "`vml config list` says where values come from."
        )
    if setting.name == "logbooks" and key and values(environ)["logbook"].value == key:
        raise Usage(
            f"the logbook in use is called {key}", "First `vml config set logbook ...` to another one."
        )
    _change(environ, setting, key, None)
    return None if key else get(name, environ)


def file_of(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the user's configuration file, which need not be there."""
    return folders(environ)[1] / FILE


def _change(environ: Mapping[str, str], setting: Setting, key: str, value: Any) -> None:
    file = file_of(environ)
    read_file(file)  # what is not understood is not written over
    try:
        document = parse(file.read_bytes(), dict[str, Any])
    except FileNotFoundError:
        document = {}
    _put(document, [*setting.name.split("."), *([key] if key else [])], value)
    for name, each in flat(document):
        of_file(name, each)
    text = msgspec.json.format(msgspec.json.encode(document), indent=2)
    replace_file(file, [text, b"\n"], lasts=True)


def _put(document: dict[str, Any], path: Sequence[str], value: Any) -> None:
    """Put a value into nested tables, or take it out where it is None, with what is empty then."""
    name, *rest = path
    if rest:
        _put(document.setdefault(name, {}), rest, value)
        if not document[name]:
            del document[name]
    elif value is None:
        document.pop(name, None)
    else:
        document[name] = msgspec.to_builtins(value)


def _named(name: str) -> tuple[Setting, str]:
    """Return the setting of this name, and which line in it is meant: ``logbooks.group`` -> ``logbooks``, ``group``."""
    if name in BY_NAME:
        return BY_NAME[name], ""
    outer, _, key = name.partition(".")
    setting = BY_NAME.get(outer)
    if setting and key and get_origin(setting.type) is dict:
        return setting, key
    near = get_close_matches(name, BY_NAME, 1)
    hint = f"Did you mean `{near[0]}`? " if near else ""
    raise NotFound(f"there is no setting `{name}`", f"{hint}`vml config list` has all of them.")


def _writable(name: str) -> tuple[Setting, str]:
    setting, key = _named(name)
    if not setting.in_file:
        raise Usage(
            f"`{name}` is not kept in the configuration file", f"Set the variable {setting.variable}."
        )
    return setting, key


def _configured(setting: Setting, value: Any, origin: str) -> Configured:
    if setting.secret and value is not None:
        value, text = None, _HIDDEN
    else:
        value = masked_of(setting, msgspec.to_builtins(value))
        text = setting.default_text if origin == "default" else shown(value)
    return Configured(
        name=setting.name,
        value=value,
        shown=text,
        origin=origin,
        variable=setting.variable,
        help=setting.help,
        wants=setting.wants,
    )
