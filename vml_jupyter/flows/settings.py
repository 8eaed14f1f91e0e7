"""Where things lie and what the user prefers, from the environment, the configuration file and defaults.

    <config>/config.json            what the user set; every key optional (see ``setting_table``)
    <config>/passwords/<digest>     one logbook's password, mode 0600, named by its URL's SHA-256
    <data>/logbook/                 the default logbook
    <data>/releases/<sha256>/       images, by content
    <config>/releases.json          images that the user added
    <data>/machines/<id>/           all that one machine needs

``<data>`` is ``VML_DATA`` or the user's data folder for ``vml``; ``<config>`` is ``VML_CONFIG`` or the user's
configuration folder for ``vml``. A variable beats the file, the file beats the default; ``setting_table`` has them all.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vml_jupyter.errors import Usage
from vml_jupyter.flows.said import folders, of_file, values
from vml_jupyter.flows.sources import CERNVM, FolderSource, PoolSource, RepositorySource, Source
from vml_jupyter.model import Shape
from vml_jupyter.model.address import masked, masked_all

if TYPE_CHECKING:  # imported where it is used: most commands need neither network nor certificates
    from vml_jupyter.release import Repository, Trust

CERN_KEYS = Path("/etc/cvmfs/keys/cern.ch")
GRID_AUTHORITIES = Path("/etc/grid-security/certificates")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a flow needs to know about this user and this computer.

    ``context`` are keys of micro-CernVM that every machine is told: ``{"cvmfs_http_proxy": "http://p:3128;DIRECT"}``.
    """

    data: Path
    config: Path
    logbook: str
    logbooks: Mapping[str, str] = field(default_factory=dict)
    """Names of logbooks and where they lie."""
    logbook_password: str | None = field(default=None, repr=False)
    libvirt_uri: str = "qemu:///session"
    release_folders: tuple[Path, ...] = ()
    release_urls: tuple[str, ...] = (CERNVM,)
    sources: tuple[Source, ...] = ()
    release_ca: Path | None = None
    release_ca_is_assumed: bool = False
    """Whether nobody said ``release_ca``, and it is what lies on computers of the grid."""
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
    warm_quota_mib: int = 4096
    """How much of the disk warm states may take together; 0 is no warm states."""

    def __repr__(self) -> str:
        """Say every field but secrets: notebooks save what a cell shows."""
        told = {each.name: masked_all(getattr(self, each.name)) for each in fields(self) if each.repr}
        told["logbook"] = masked(self.logbook)
        told["logbooks"] = {name: masked(url) for name, url in self.logbooks.items()}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in told.items())})"

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

        assumed = self.release_ca_is_assumed and self.release_ca == GRID_AUTHORITIES
        return Trust(authorities=self.release_ca, signers=self.release_signers, assumed=assumed)

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
        """Return a copy in which the given fields that are not None are changed; a logbook may be named."""
        given = {name: value for name, value in changes.items() if value is not None}
        if "logbook" in given:
            given["logbook"] = self.logbooks.get(str(given["logbook"]), given["logbook"])
        return replace(self, **given)  # type: ignore[arg-type]  # names are checked by replace


def load(environ: Mapping[str, str] = os.environ, over: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings of this user.

    Args:
        environ: The environment.
        over: Values that beat everything else, by the names of ``setting_table``.

    Raises:
        Usage: The configuration file, a variable or a value of ``over`` is not what it must be.
    """
    data, config = folders(environ)
    said = {name: told.value for name, told in values(environ).items()} | _checked(over or {})
    table = tuple(said["release_sources"])
    authorities = said["release_ca"]
    assumed = authorities is None and os.access(GRID_AUTHORITIES, os.R_OK | os.X_OK)
    urls = said["release_urls"] or [line.url for line in table if isinstance(line, RepositorySource)]
    return Settings(
        data=data,
        config=config,
        logbook=said["logbook"] or str(data / "logbook"),
        logbooks=said["logbooks"],
        logbook_password=said["logbook_password"] or None,
        libvirt_uri=said["libvirt_uri"],
        release_folders=tuple(Path(name).expanduser() for name in said["release_folders"]),
        release_urls=tuple(urls or (CERNVM,)),
        sources=table,
        release_ca=GRID_AUTHORITIES if assumed else Path(authorities).expanduser() if authorities else None,
        release_ca_is_assumed=assumed,
        release_signers=tuple(said["release_signers"]),
        default_release=said["default_release"],
        shape=Shape(**{name: said[f"shape.{name}"] for name in Shape.__struct_fields__}),
        ready_timeout_s=said["ready_timeout_s"],
        bin_days=said["bin_days"],
        context=said["context"],
        idle_minutes=said["idle_minutes"],
        machines_max=said["machines_max"],
        machines_memory_mib=said["machines_memory_mib"],
        warm_quota_mib=said["warm_quota_mib"],
    ).using(logbook=said["logbook"] or None)


def _checked(over: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {name: of_file(name, value) for name, value in over.items()}
    except ValueError as error:
        raise Usage(f"Jupyter's configuration: {error}", "Mend it there.") from error


def _repository(line: RepositorySource) -> Repository:
    from vml_jupyter.release import Repository

    keys = Path(line.keys).expanduser() if line.keys else None
    if keys is None and line.url.rstrip("/") == CERNVM and not line.systems and CERN_KEYS.is_dir():
        keys = CERN_KEYS  # on a computer with CernVM-FS
    return Repository(url=line.url, mirrors=tuple(line.mirrors), systems=tuple(line.systems), keys=keys)
