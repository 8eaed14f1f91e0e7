"""What is said of each setting, and where: in the environment, in the configuration file, or nowhere.

{"shape": {"cpus": 4}}   ->   shape.cpus: 4, from the file
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import platformdirs

from vml_jupyter.errors import Usage
from vml_jupyter.flows.setting_table import BY_NAME, SETTINGS, Setting, checked, parsed
from vml_jupyter.parsing import parse

FILE = "config.json"


@dataclass(frozen=True)
class Told:
    """A value and who said it: ``environment``, ``file`` or ``default``; None for what depends on others."""

    value: Any
    origin: str


def values(environ: Mapping[str, str] = os.environ) -> dict[str, Told]:
    """Return what is said of every setting, and where.

    Raises:
        Usage: The configuration file or a variable is not what it must be.
    """
    said = read_file(folders(environ)[1] / FILE)
    return {setting.name: _told(setting, environ, said) for setting in SETTINGS}


def folders(environ: Mapping[str, str] = os.environ) -> tuple[Path, Path]:
    """Return the user's folder of data and that of configuration."""
    return (
        _folder(environ, "VML_DATA", platformdirs.user_data_path("vml")),
        _folder(environ, "VML_CONFIG", platformdirs.user_config_path("vml")),
    )


def read_file(file: Path) -> dict[str, Any]:
    """Return what a configuration file says, by the settings' names; none where there is no file.

    Raises:
        Usage: It cannot be understood; says why.
    """
    try:
        raw = parse(file.read_bytes(), dict[str, Any])
        return {name: _in_file(name, value) for name, value in flat(raw)}
    except FileNotFoundError:
        return {}
    except ValueError as error:  # which msgspec's errors are, too
        raise Usage(
            f"{file} cannot be understood: {error}", "Mend it, or move it away to use the defaults."
        ) from error


def _told(setting: Setting, environ: Mapping[str, str], said: Mapping[str, Any]) -> Told:
    text = environ.get(setting.variable) if setting.variable else None
    if text or (text is not None and setting.empty_counts):
        words = (
            [word for word in text.split(setting.separator) if word] if setting.type is not str else [text]
        )
        return Told(parsed(setting, words, setting.variable), "environment")
    if setting.name in said:
        return Told(said[setting.name], "file")
    return Told(None if setting.default_is_told else setting.default, "default")


def flat(raw: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield a file's keys as settings are called: what is inside ``shape`` as ``shape.cpus``."""
    for name, value in raw.items():
        inside = isinstance(value, dict) and any(each.startswith(f"{name}.") for each in BY_NAME)
        yield from ((f"{name}.{key}", each) for key, each in value.items()) if inside else ((name, value),)


def _in_file(name: str, value: Any) -> Any:
    setting = BY_NAME.get(name)
    if setting and not setting.in_file:
        raise ValueError(f"`{name}` cannot be said here, but by the variable {setting.variable}")
    return of_file(name, value)


def of_file(name: str, value: Any) -> Any:
    """Return a value of the file as the setting has it.

    Raises:
        ValueError: There is no such setting, or it cannot have that value.
    """
    setting = BY_NAME.get(name)
    if setting is None:
        from difflib import get_close_matches

        near = get_close_matches(name, BY_NAME, 1)
        raise ValueError(f"there is no setting `{name}`{f', but `{near[0]}`' if near else ''}")
    try:
        return checked(setting, value)
    except msgspec.ValidationError as error:
        raise ValueError(f"`{name}` wants {setting.wants} ({error})") from error


def _folder(environ: Mapping[str, str], name: str, default: Path) -> Path:
    return Path(environ[name]).expanduser().absolute() if environ.get(name) else default
