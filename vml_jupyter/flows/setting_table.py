"""Every setting, once: its name, type, default and meaning, and where it can be said.

    environment variable  >  <config>/config.json (``vml config``)  >  default       for the user, see ``settings``
    trait of VmlExtension  >  all of these                                           for a Jupyter server
    key of JupyterLab's settings                                                     where the browser asks for it

The command line, the server's traits and the documentation are made from this table, and a test compares JupyterLab's
schema with it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_origin

import msgspec

from vml_jupyter.errors import Usage
from vml_jupyter.flows.sources import CERNVM, Source
from vml_jupyter.model import Shape
from vml_jupyter.model.address import NO_SECRETS, SECRETS_HINT, has_secret, masked, masked_all
from vml_jupyter.parsing import parse

_LOGBOOKS = ("logbook", "logbooks")
_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")

Number = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting.

    ``name`` is its key in the file, with a dot where that is inside another. ``wants`` says in words what a value is.
    ``default`` is the value, or a sentence where it depends on the computer (then ``default_is_told``).
    ``separator`` parts the words of a variable; None is white space. Where ``empty_counts``, an empty variable is an
    answer. ``in_file`` is False for what only a variable or a trait can say, ``secret`` for what is never shown.
    """

    name: str
    type: Any
    wants: str
    default: Any
    help: str
    variable: str = ""
    trait: str = ""
    lab: str = ""
    separator: str | None = None
    in_file: bool = True
    empty_counts: bool = False
    default_is_told: bool = False
    secret: bool = False

    @property
    def default_text(self) -> str:
        """Return the default as people read it."""
        if self.default_is_told:
            return str(self.default)
        return "none" if self.default in (None, "", [], {}) else shown(self.default)


_SHAPE = Shape()

SETTINGS = (
    Setting(
        name="logbook",
        type=str,
        wants="a folder, s3://bucket/prefix, s3:https://host/bucket/prefix, or a name among `logbooks`",
        default="<data>/logbook",
        default_is_told=True,
        help="the logbook in use",
        variable="VML_LOGBOOK",
        trait="logbook",
    ),
    Setting(
        name="logbooks",
        type=dict[str, str],
        wants='names and places, {"group": "s3://bucket/logbook"}; `logbooks.NAME` is one of them',
        default={},
        help="logbooks that can be named instead of written out, by `--logbook` and by `logbook`",
        trait="logbooks",
    ),
    Setting(
        name="logbook_password",
        type=str,
        wants="a text",
        default="made and kept for you",
        default_is_told=True,
        help="the password of the logbook in use",
        variable="VML_LOGBOOK_PASSWORD",
        in_file=False,
        secret=True,
    ),
    Setting(
        name="bin_days",
        type=Number,
        wants="a number of days",
        default=30,
        help="days after which a prune removes for good what was forgotten",
        trait="bin_days",
    ),
    Setting(
        name="automatic",
        type=bool,
        wants="true or false",
        default=False,
        help="whether JupyterLab takes entries by itself when a notebook was saved and something changed",
        lab="automatic",
    ),
    Setting(
        name="automatic_minutes",
        type=Positive,
        wants="a number of minutes, 1 or more",
        default=10,
        help="minutes between two entries that JupyterLab takes by itself, at least",
        lab="automatic_minutes",
    ),
    Setting(
        name="default_release",
        type=str,
        wants="a CernVM version such as 4.5.0.1, or the name of an added cloud image",
        default="",
        help="the CernVM of entries that are taken where none is detected",
        variable="VML_RELEASE",
        trait="default_release",
        lab="release",
    ),
    Setting(
        name="release_urls",
        type=list[str],
        wants="web addresses",
        default=f"those of release_sources, else {CERNVM}",
        default_is_told=True,
        help="release repositories, in order",
        variable="VML_RELEASE_URLS",
        trait="release_urls",
    ),
    Setting(
        name="release_folders",
        type=list[str],
        wants="folders",
        default=[],
        help="more folders in which images already lie; `~/Downloads` is always looked at",
        variable="VML_RELEASE_FOLDERS",
        separator=os.pathsep,
        trait="release_folders",
    ),
    Setting(
        name="release_sources",
        type=list[Source],
        wants='a list of {"kind": "repository", "url", "mirrors", "systems", "keys"}, {"kind": "folder", "path"}, '
        '{"kind": "pools", "uri"}',
        default=[],
        help="where releases come from, with their mirrors; without `pools`, those of the hypervisor are looked at",
        trait="release_sources",
    ),
    Setting(
        name="release_ca",
        type=str,
        wants="a PEM file, or a folder of them; empty for none",
        default="/etc/grid-security/certificates where that is, else none",
        default_is_told=True,
        help="CA certificates for the signatures of images; without, signers are not checked",
        variable="VML_RELEASE_CA",
        empty_counts=True,
        trait="release_ca",
    ),
    Setting(
        name="release_signers",
        type=list[str],
        wants="subjects of certificates",
        default=[],
        help="who may have signed an image beside CernVM's own",
        trait="release_signers",
    ),
    Setting(
        name="libvirt_uri",
        type=str,
        wants="a libvirt address such as qemu:///session or qemu+ssh://host/session",
        default="qemu:///session",
        help="which hypervisor",
        variable="VML_LIBVIRT_URI",
        trait="libvirt_uri",
    ),
    Setting(
        name="shape.cpus",
        type=Positive,
        wants="a number, 1 or more",
        default=_SHAPE.cpus,
        help="processors of a machine, where a restore says nothing else",
        trait="shape_cpus",
    ),
    Setting(
        name="shape.memory_mib",
        type=Positive,
        wants="MiB",
        default=_SHAPE.memory_mib,
        help="memory of a machine, likewise",
        trait="shape_memory_mib",
    ),
    Setting(
        name="shape.scratch_gib",
        type=Positive,
        wants="GiB",
        default=_SHAPE.scratch_gib,
        help="how large the disk of a machine may grow",
        trait="shape_scratch_gib",
    ),
    Setting(
        name="context",
        type=dict[str, str],
        wants='keys of micro-CernVM, {"cvmfs_http_proxy": "http://proxy:3128;DIRECT"}; `context.KEY` is one of them',
        default={},
        help="what every machine is told beside",
        trait="context",
    ),
    Setting(
        name="ready_timeout_s",
        type=Seconds,
        wants="a number of seconds, e.g. 300",
        default=300.0,
        help="seconds that a machine may take to come up, a cloud image without KVM twice as many",
        variable="VML_READY_TIMEOUT",
        trait="ready_timeout_s",
    ),
    Setting(
        name="idle_minutes",
        type=Number,
        wants="a number of minutes; 0 is never",
        default=60,
        help="a Jupyter server suspends machines that nobody used for so long, never while a cell runs",
        trait="idle_minutes",
    ),
    Setting(
        name="machines_max",
        type=Number,
        wants="a number; 0 is any",
        default=0,
        help="how many machines may run at once",
        trait="machines_max",
    ),
    Setting(
        name="machines_memory_mib",
        type=Number,
        wants="MiB; 0 is any",
        default="four fifths of the computer's",
        default_is_told=True,
        help="how much memory they may have together",
        trait="machines_memory_mib",
    ),
    Setting(
        name="warm_quota_mib",
        type=Number,
        wants="MiB; 0 keeps none and uses none",
        default=4096,
        help="how much of the disk warm states of releases may take together, the longest unused going first",
        variable="VML_WARM_QUOTA_MIB",
        trait="warm_quota_mib",
    ),
    Setting(
        name="data",
        type=str,
        wants="a folder",
        default="~/.local/share/vml",
        default_is_told=True,
        help="where machines, releases, the journal of jobs and the default logbook are kept",
        variable="VML_DATA",
        trait="data_folder",
        in_file=False,
    ),
    Setting(
        name="config",
        type=str,
        wants="a folder",
        default="~/.config/vml",
        default_is_told=True,
        help="where config.json and passwords are kept",
        variable="VML_CONFIG",
        in_file=False,
    ),
)

BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}


def parsed(setting: Setting, words: list[str], said_by: str) -> Any:
    """Return the value that words mean.

    Args:
        setting: Which setting.
        words: One word, or several for a list; JSON is understood, too.
        said_by: Who said it, for the error: a variable, or the setting's name.

    Raises:
        Usage: They mean none.
    """
    text = " ".join(words)
    try:
        if setting.type is str:
            value: Any = text
        elif get_origin(setting.type) is list and not text.lstrip().startswith("["):
            value = words
        elif setting.type is bool:
            value = _as_bool(text)
        else:
            value = parse(text, Any)
        return checked(setting, value)
    except ValueError as error:  # which msgspec's errors are, too
        raise Usage(
            f"{said_by} is {masked_of(setting, text)!r}, not {setting.wants}",
            f"What it is for: {setting.help}.",
        ) from error


def checked(setting: Setting, value: Any) -> Any:
    """Return a value of JSON as the setting has it.

    Raises:
        ValueError: It cannot have it.
    """
    return msgspec.convert(value, setting.type)


def require_no_secret(setting: Setting, value: Any) -> None:
    """Refuse to keep a logbook's URL with a secret in it, as is refused when it is used.

    Raises:
        Usage: It has one, which is not repeated.
    """
    if setting.name in _LOGBOOKS:
        urls = value.values() if isinstance(value, dict) else [value]
        if any(has_secret(str(url)) for url in urls):
            raise Usage(NO_SECRETS, SECRETS_HINT)


def masked_of(setting: Setting, value: Any) -> Any:
    """Return a setting's value, or one line of it, without the secrets that its URLs may hold."""
    if setting.name not in _LOGBOOKS:
        return masked_all(value)
    if isinstance(value, dict):
        return {name: masked(url) for name, url in value.items()}
    return value if value is None else masked(value)


def shown(value: Any) -> str:
    """Return a value as it could be given again: a text as it is, all else as JSON."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value, enc_hook=str).decode()


def _as_bool(text: str) -> bool:
    if text.lower() not in (*_YES, *_NO):
        raise ValueError(text)
    return text.lower() in _YES
