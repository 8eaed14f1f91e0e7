"""List the Python distributions that lie in some folders, by the names of what is in there.

    numpy-1.26.4.dist-info/                       numpy 1.26.4
    PyYAML-5.4.1.egg-info, ...-py3.9.egg-info     pyyaml 5.4.1
    thing.egg-info/PKG-INFO                       a checkout that is worked on: only this file has the version
    /site-packages/foo-1.0-py3.9.egg              an egg that is on the path itself

No file is opened where the name says it all: in a software stack on CernVM-FS there are a thousand, and each
would be fetched. Names are written in their normalised form, so that they compare: ``ruamel-yaml``.
Source: the packaging standards "Recording installed projects" and "Names and normalization".
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vml_jupyter.environment.texts import read_small, short

_LIMIT = 5000
_NAME = r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*?)"
_DIST_INFO = re.compile(rf"{_NAME}-(?P<version>[^-]+)\.dist-info")
_EGG_INFO = re.compile(rf"{_NAME}-(?P<version>[^-]+)(?:-py[0-9.]+(?:-[^/]+)?)?\.egg(?:-info)?")
_VERSIONLESS = re.compile(rf"{_NAME}\.egg-info")


def packages_in(folders: Sequence[str]) -> dict[str, str]:
    """Return name and version of every distribution in these folders, sorted by name.

    Args:
        folders: A Python's ``sys.path``: what lies in an earlier folder is what is imported.
    """
    return _collected(pair for folder in folders for pair in _distributions(folder))


def packages_named(folders: Sequence[tuple[str, Sequence[str]]]) -> dict[str, str]:
    """Do the same for folders of another computer, of which the names in them are known and no more."""
    return _collected(pair for folder, names in folders for pair in _named(folder, names))


def _collected(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, version in pairs:
        if len(found) < _LIMIT:
            found.setdefault(normalised(name), short(version))
    return dict(sorted(found.items()))


def _named(folder: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    egg = _EGG_INFO.fullmatch(folder.rpartition("/")[2]) if folder.endswith(".egg") else None
    for match in (egg, *(_DIST_INFO.fullmatch(name) or _EGG_INFO.fullmatch(name) for name in names)):
        if match:
            yield match["name"], match["version"]


def normalised(name: str) -> str:
    """Return a distribution's name as all its spellings are compared: ``Ruamel.yaml`` is ``ruamel-yaml``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _distributions(folder: str) -> Iterator[tuple[str, str]]:
    match = _EGG_INFO.fullmatch(os.path.basename(folder))  # noqa: PTH119 - an entry of sys.path, '' among them
    if match and folder.endswith(".egg"):
        yield match["name"], match["version"]
    try:
        names = sorted(os.listdir(folder or "."))  # noqa: PTH208 - likewise, and a Path each would take longer
    except OSError:  # most Pythons name a zip file or a folder that is not there
        return
    for name in names:
        if name.endswith(".dist-info"):
            match = _DIST_INFO.fullmatch(name)
        elif name.endswith(".egg-info"):
            match = _EGG_INFO.fullmatch(name)
            if match is None and _VERSIONLESS.fullmatch(name):
                yield from _heading(Path(folder, name))
        else:
            continue
        if match:
            yield match["name"], match["version"]


def _heading(egg_info: Path) -> Iterator[tuple[str, str]]:
    """Yield name and version from the head of the metadata, where both are there."""
    head = (read_small(egg_info / "PKG-INFO") or read_small(egg_info)).partition("\n\n")[0]
    fields = dict(re.findall(r"^(Name|Version):[ \t]*(\S+)", head, re.MULTILINE))
    if re.fullmatch(_NAME, fields.get("Name", "")) and fields.get("Version"):
        yield fields["Name"], fields["Version"]
