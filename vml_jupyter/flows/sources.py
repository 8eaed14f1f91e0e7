"""Where releases may come from: the lines of the setting ``release_sources``."""

from __future__ import annotations

import msgspec

CERNVM = "https://cernvm.cern.ch"


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
