"""Where things lie and what the user prefers, from the environment, the configuration file and defaults.

    <config>/config.json            what the user set; every key optional (see ``Settings``)
    <config>/passwords/<digest>     one logbook's password, mode 0600, named by its URL's SHA-256
    <data>/logbook/                 the default logbook
    <data>/releases/<sha256>/       images, by content
    <config>/releases.json          images that the user added
    <data>/machines/<id>/           all that one machine needs
    <data>/warm/<key>/              warm states

``<data>`` is ``VML_DATA`` or the user's data folder for ``vml``; ``<config>`` is ``VML_CONFIG`` or the user's
configuration folder for ``vml``. A variable beats the file, the file beats the default.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import platformdirs

from vml_jupyter.errors import Usage
from vml_jupyter.model import Shape

if TYPE_CHECKING:  # imported where it is used: most commands need neither network nor certificates
    from vml_jupyter.release import Repository, Trust

CERNVM = "https://cernvm.cern.ch"
WARM_QUOTA_MIB = 4096
CERN_KEYS = Path("/etc/cvmfs/keys/cern.ch")


class RepositorySource(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="repository"
):
    """An HTTP repository in CernVM's layout; see ``release.Repository``."""

    url: str
    mirrors: list[str] = []
    systems: list[str] = []
    keys: str = ""


class FolderSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="folder"):
    """A folder on this computer in which images lie."""

    path: str


class PoolSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="pools"):
    """The storage pools of a hypervisor on this computer."""

    uri: str


Source = RepositorySource | FolderSource | PoolSource


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration file; None means: not said."""

    logbook: str | None = None
    libvirt_uri: str | None = None
    release_folders: list[str] | None = None
    release_urls: list[str] | None = None
    release_sources: list[Source] | None = None
    release_ca: str | None = None
    release_signers: list[str] | None = None
    default_release: str | None = None
    shape: Shape | None = None
    ready_timeout_s: float | None = None
    bin_days: Annotated[int, msgspec.Meta(ge=0)] | None = None
    context: dict[str, str] | None = None
    idle_minutes: Annotated[int, msgspec.Meta(ge=0)] | None = None
    machines_max: Annotated[int, msgspec.Meta(ge=0)] | None = None
    machines_memory_mib: Annotated[int, msgspec.Meta(ge=0)] | None = None
    warm_quota_mib: Annotated[int, msgspec.Meta(ge=0)] | None = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a flow needs to know about this user and this computer.

    ``context`` are keys of micro-CernVM that every machine is told: ``{"cvmfs_http_proxy": "http://p:3128;DIRECT"}``.
    """

    data: Path
    config: Path
    logbook: str
    logbook_password: str | None = field(default=None, repr=False)
    libvirt_uri: str = "qemu:///session"
    release_folders: tuple[Path, ...] = ()
    release_urls: tuple[str, ...] = (CERNVM,)
    sources: tuple[Source, ...] = ()
    release_ca: Path | None = None
    release_signers: tuple[str, ...] = ()
    default_release: str = ""
    shape: Shape = field(default_factory=Shape)
    ready_timeout_s: float = 300.0
    bin_days: int = 30
    context: Mapping[str, str] = field(default_factory=dict)
    idle_minutes: int = 60
    """After how long a machine that nobody uses is suspended by a Jupyter server; 0 is never."""
    machines_max: int = 0
    """How many machines may run at once; 0 is any number."""
    machines_memory_mib: int | None = None
    """How much memory they may have together; 0 is any, None four fifths of this computer's."""
    warm_quota_mib: int = WARM_QUOTA_MIB
    """How much of the disk warm states may take together; 0 is no warm states."""

    @property
    def machines(self) -> Path:
        return self.data / "machines"

    @property
    def releases(self) -> Path:
        return self.data / "releases"

    @property
    def warm(self) -> Path:
        return self.data / "warm"

    @property
    def cache(self) -> Path:
        return self.data / "cache"

    def image_folders(self) -> list[Path]:
        """Return the folders in which a release image may already lie, the own one first."""
        table = [Path(line.path).expanduser() for line in self.sources if isinstance(line, FolderSource)]
        return [self.releases, *self.release_folders, *table, Path.home() / "Downloads"]

    def pool_uris(self) -> list[str]:
        """Return the hypervisors whose storage pools may hold an image: those of the table, else the user's own."""
        table = [line.uri for line in self.sources if isinstance(line, PoolSource)]
        return [uri for uri in table if uri] if table else [self.libvirt_uri]

    def repositories(self) -> list[Repository]:
        """Return the release repositories, in order, each with what the table says of it."""
        table = {line.url: line for line in self.sources if isinstance(line, RepositorySource)}
        return [_repository(table.get(url) or RepositorySource(url=url)) for url in self.release_urls]

    def trust(self) -> Trust:
        """Return whose signatures of images count."""
        from vml_jupyter.release import Trust

        return Trust(authorities=self.release_ca, signers=self.release_signers)

    def password_file(self) -> Path:
        """Return where this logbook's own password is kept."""
        digest = hashlib.sha256(self.logbook.encode()).hexdigest()[:32]
        return self.config / "passwords" / digest

    def password(self) -> str | None:
        """Return the logbook's password: as given, else as kept, else None."""
        if self.logbook_password:
            return self.logbook_password
        try:
            return self.password_file().read_text("utf-8").strip() or None
        except FileNotFoundError:
            return None

    def using(self, **changes: object) -> Settings:
        """Return a copy in which the given fields that are not None are changed."""
        return replace(self, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]  # names are checked by replace


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings of this user.

    Raises:
        Usage: The configuration file is not what it must be.
    """
    data = _folder(environ, "VML_DATA", platformdirs.user_data_path("vml"))
    config = _folder(environ, "VML_CONFIG", platformdirs.user_config_path("vml"))
    said = _read(config / "config.json")
    table = tuple(said.release_sources or ())
    urls = (
        _words(environ.get("VML_RELEASE_URLS"))
        or tuple(said.release_urls or ())
        or tuple(line.url for line in table if isinstance(line, RepositorySource))
        or (CERNVM,)
    )
    authorities = environ.get("VML_RELEASE_CA", said.release_ca or "")
    folders = _words(environ.get("VML_RELEASE_FOLDERS"), os.pathsep) or tuple(said.release_folders or ())
    return Settings(
        data=data,
        config=config,
        logbook=environ.get("VML_LOGBOOK") or said.logbook or str(data / "logbook"),
        logbook_password=environ.get("VML_LOGBOOK_PASSWORD") or None,
        libvirt_uri=environ.get("VML_LIBVIRT_URI") or said.libvirt_uri or "qemu:///session",
        release_folders=tuple(Path(name).expanduser() for name in folders),
        release_urls=urls,
        sources=table,
        release_ca=Path(authorities).expanduser() if authorities else None,
        release_signers=tuple(said.release_signers or ()),
        default_release=environ.get("VML_RELEASE") or said.default_release or "",
        shape=said.shape or Shape(),
        ready_timeout_s=_seconds(environ.get("VML_READY_TIMEOUT")) or said.ready_timeout_s or 300.0,
        bin_days=30 if said.bin_days is None else said.bin_days,
        context=said.context or {},
        idle_minutes=60 if said.idle_minutes is None else said.idle_minutes,
        machines_max=said.machines_max or 0,
        machines_memory_mib=said.machines_memory_mib,
        warm_quota_mib=_first(
            _mib(environ.get("VML_WARM_QUOTA_MIB")), said.warm_quota_mib, otherwise=WARM_QUOTA_MIB
        ),
    )


def _repository(line: RepositorySource) -> Repository:
    from vml_jupyter.release import Repository

    keys = Path(line.keys).expanduser() if line.keys else None
    if keys is None and line.url.rstrip("/") == CERNVM and not line.systems and CERN_KEYS.is_dir():
        keys = CERN_KEYS  # on a computer with CernVM-FS
    return Repository(url=line.url, mirrors=tuple(line.mirrors), systems=tuple(line.systems), keys=keys)


def _folder(environ: Mapping[str, str], name: str, default: Path) -> Path:
    return Path(environ[name]).expanduser().absolute() if environ.get(name) else default


def _words(text: str | None, separator: str | None = None) -> tuple[str, ...]:
    return tuple(word for word in (text or "").split(separator) if word)


def _seconds(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise Usage(
            f"VML_READY_TIMEOUT is {text!r}, not a number of seconds", "Set it to e.g. 300."
        ) from None


def _mib(text: str | None) -> int | None:
    if text and not text.isdecimal():
        raise Usage(f"VML_WARM_QUOTA_MIB is {text!r}, not a number of MiB", "Set it to e.g. 4096, or to 0.")
    return int(text) if text else None


def _first(*values: int | None, otherwise: int) -> int:
    return next((value for value in values if value is not None), otherwise)


def _read(file: Path) -> _File:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_File)
    except FileNotFoundError:
        return _File()
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Usage(
            f"{file} cannot be understood: {error}", "Mend it, or move it away to use the defaults."
        ) from error
