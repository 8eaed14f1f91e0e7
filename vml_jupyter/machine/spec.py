"""What a machine is to be, and what is in its folder.

<data>/machines/<id>/            mode 0700
  machine.json                   the MachineSpec, without secrets
  secrets.json                   its token and the cookie of its working area, mode 0600
  scratch.qcow2                  the only disk the machine can write; blank, or laid over its image
  context.iso                    what tells it what it is for (written by whoever restores)
  console.log                    its serial console
  ready                          present once the machine has answered as ready
  lock                           held while somebody starts, stops or deletes it
  net.pid net.log area.pid ...   the processes beside it, see companion.py

<runtime>/<id>/                  sockets; apart from the folder because a socket's path is at most 107 bytes
  net.sock agent.sock tell.sock area.sock
"""

from __future__ import annotations

import json
import os
import unicodedata
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from vml_jupyter.errors import Foreign
from vml_jupyter.machine.runtime import runtime_folder
from vml_jupyter.model import Difference, Machine, Release, Shape
from vml_jupyter.parsing import parse


class MachineSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything needed to build a machine's domain, now and when it is started again.

    ``area_url`` is ``nbd+unix:///?socket=PATH``, or an http address on 127.0.0.1 with the cookie ``area_cookie``
    (``name=value``), or ``area_path`` is an image file where QEMU has no http driver; at most one is set. ``port``
    0 means any free one. ``network`` is ``passt``, ``slirp``, ``none``, or empty for the best this host has.
    ``token`` and ``area_cookie`` are secrets: they are in ``secrets.json`` and nowhere else. ``uri`` is the
    hypervisor's. ``image_is_cd`` says that the image is an ISO, which only boots as a CD; ``image_is_root`` that it
    is the system's own root disk, which that writes to: the scratch disk is then laid over it. ``differences`` say
    in what the machine is not what its entry recorded.
    """

    id: str
    entry: str
    release: Release
    folder: Path
    image: Path
    context_iso: Path
    image_is_cd: bool = False
    image_is_root: bool = False
    shape: Shape = Shape()
    title: str = ""
    notebook: str = ""
    created: str = ""
    base_url: str = "/"
    accelerator: str = "tcg"
    port: int = 0
    network: str = ""
    area_url: str = ""
    area_path: Path | None = None
    area_cookie: str = ""
    token: str = ""
    uri: str = ""
    differences: tuple[Difference, ...] = ()

    @property
    def name(self) -> str:
        """Return the name of the machine's domain."""
        return f"vml-{self.id}"

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch.qcow2"

    @property
    def console(self) -> Path:
        return self.folder / "console.log"

    @property
    def ready(self) -> Path:
        """Return the file that is there once the machine has answered as ready."""
        return self.folder / "ready"

    @property
    def sockets(self) -> Path:
        """Return the folder of the machine's sockets."""
        return runtime_folder() / self.id

    @property
    def network_socket(self) -> Path:
        return self.sockets / "net.sock"

    @property
    def agent_socket(self) -> Path:
        return self.sockets / "agent.sock"

    @property
    def changes_socket(self) -> Path:
        """Return the socket at which the machine tells what changed in its working area."""
        return self.sockets / "tell.sock"

    def public(self) -> MachineSpec:
        """Return the same machine without its secrets."""
        return msgspec.structs.replace(self, token="", area_cookie="")

    def machine(self, state: str, detail: str = "") -> Machine:
        """Return what people and programs are told of it; with its address while it has one and we know the token."""
        reachable = state in ("starting", "running") and self.port > 0
        return Machine(
            id=self.id,
            entry=self.entry,
            release=self.release,
            state=state,
            detail=detail,
            since=self._since() if state == "running" else "",
            created=self.created,
            title=self.title,
            notebook=self.notebook,
            accelerator=self.accelerator,
            shape=self.shape,
            base_url=self.base_url,
            port=self.port if reachable else 0,
            url=self.notebook_url() if reachable and self.token else "",
            differences=self.differences,
        )

    def _since(self) -> str:
        try:
            began = self.ready.stat().st_mtime
        except OSError:
            return ""
        return datetime.fromtimestamp(began, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    def notebook_url(self) -> str:
        """Return the address that opens the notebook in JupyterLab.

        The host name keeps the machine's pages, which are not trusted, apart from the user's own Jupyter: cookies do
        not keep ports apart, and browsers lead every ``*.localhost`` to this host.
        """
        page = f"lab/tree/{quote(self.notebook)}" if self.notebook else "lab"
        query = urlencode({"token": self.token})
        return f"http://{self.id}.localhost:{self.port}{self.base_url.rstrip('/')}/{page}?{query}"


class Secrets(msgspec.Struct, frozen=True, kw_only=True):
    """What must not be in the domain's description, in a log or on a command line."""

    token: str = ""
    area_cookie: str = ""


def encode_spec(spec: MachineSpec) -> str:
    """Return the record as JSON in ASCII, without secrets: fit for XML, whatever the title holds."""
    return json.dumps(msgspec.to_builtins(spec.public(), enc_hook=_path_to_text), sort_keys=True)


def decode_spec(text: str) -> MachineSpec:
    """Read such a record.

    Raises:
        Foreign: It is none.
    """
    try:
        return parse(text, MachineSpec, _text_to_path)
    except msgspec.DecodeError as error:
        raise Foreign(f"a machine's record cannot be read: {error}") from error


def save_spec(spec: MachineSpec) -> None:
    """Write ``machine.json`` and ``secrets.json`` into the machine's folder."""
    _write_private(spec.folder / "machine.json", encode_spec(spec).encode())
    secrets = Secrets(token=spec.token, area_cookie=spec.area_cookie)
    _write_private(spec.folder / "secrets.json", msgspec.json.encode(secrets))


def with_secrets(spec: MachineSpec) -> MachineSpec:
    """Return the machine with the secrets that its folder keeps; without any where it keeps none."""
    try:
        secrets = parse((spec.folder / "secrets.json").read_bytes(), Secrets)
    except (OSError, msgspec.DecodeError):
        return spec
    return msgspec.structs.replace(spec, token=secrets.token, area_cookie=secrets.area_cookie)


def one_line(text: str, limit: int = 120) -> str:
    """Return text as one printable line: libvirt refuses titles that are not."""
    printable = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text)
    return " ".join(printable.split())[:limit]


def _write_private(path: Path, data: bytes) -> None:
    temporary = path.with_suffix(".new")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _path_to_text(value: Any) -> str:
    return str(value)


def _text_to_path(kind: type, value: str) -> Path:
    return Path(value)
