"""The link to a host's hypervisor: the one module that imports libvirt, and the one that knows its errors.

    Hypervisor.connect("qemu:///session") -> define, start, shut_down, destroy, undefine, state, domains

Domains are named, never held: a connection that broke (the daemon ended, the network went) is opened anew by the
next call. libvirt's own habit of printing every error to stderr is switched off.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import msgspec

from vml_jupyter.errors import LibvirtUnreachable, MachineGone, MachineRefused, ToolMissing
from vml_jupyter.machine.domain_xml import METADATA, read_metadata
from vml_jupyter.machine.session import PACKAGES, reachable_uri

T = TypeVar("T")

_HINT = f"Is libvirt installed? On Debian: apt install {PACKAGES}"


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """A domain of ours as it stands. ``state`` is ``active``, ``paused``, ``saved``, ``off`` or ``crashed``.

    One is ``crashed`` where the guest did; where the hypervisor's own process did, it is ``off`` and ``fell``.
    """

    name: str
    state: str
    record: str
    fell: bool = False


class Hypervisor:
    """One connection, usable from several threads, opened again when it breaks."""

    def __init__(self, uri: str, data: Path) -> None:
        self.uri = uri
        self._data = data
        self._lock = threading.Lock()
        self._libvirt = _import_libvirt()
        self._connection: Any = None

    @classmethod
    def connect(cls, uri: str, data: Path) -> Hypervisor:
        """Open the connection.

        Args:
            uri: A libvirt URI.
            data: Our data folder, for the session daemon that root needs.

        Raises:
            ToolMissing: libvirt, or its Python module, is not installed.
            LibvirtUnreachable: It does not answer.
        """
        hypervisor = cls(uri, data)
        hypervisor._open()
        return hypervisor

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                with _ignored(self._libvirt):
                    self._connection.close()
                self._connection = None

    def __enter__(self) -> Hypervisor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def define(self, xml: str) -> None:
        """Define a domain, or replace the definition of the one with its UUID."""
        with self._translated("describing the machine"):
            self._open().defineXML(xml)

    def start(self, name: str) -> None:
        with self._translated("starting the machine"):
            self._domain(name).create()

    def restore(self, saved: Path) -> None:
        """Bring back a machine whose memory is in that file, or comes through that pipe."""
        with self._translated("bringing the machine back"):
            self._open().restore(str(saved))

    def shut_down(self, name: str) -> None:
        """Ask the guest to power off; it may take its time or refuse."""
        with self._translated("shutting the machine down"):
            self._domain(name).shutdownFlags(self._libvirt.VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN)

    def destroy(self, name: str) -> None:
        """End the machine at once; nothing happens to one that does not run."""
        with self._translated("ending the machine", unless="VIR_ERR_OPERATION_INVALID"):
            # Not only gracefully: a QEMU that waits for a disk whose server has gone does not heed SIGTERM.
            self._domain(name).destroy()

    def undefine(self, name: str) -> None:
        """Forget a domain with all that libvirt keeps of it; nothing happens to one that is unknown."""
        kept = ("MANAGED_SAVE", "SNAPSHOTS_METADATA", "CHECKPOINTS_METADATA", "NVRAM")
        flags = sum(getattr(self._libvirt, f"VIR_DOMAIN_UNDEFINE_{what}") for what in kept)
        with self._translated("forgetting the machine", unless="VIR_ERR_NO_DOMAIN"):
            self._domain(name).undefineFlags(flags)

    def discard_saved(self, name: str) -> None:
        """Throw away the memory of a suspended machine."""
        with self._translated("discarding the machine's memory"):
            self._domain(name).managedSaveRemove()

    def versions(self) -> tuple[int, int]:
        """Return libvirt's version and that of its QEMU, each as one number."""
        with self._translated("asking the hypervisor's version"):
            connection = self._open()
            return connection.getLibVersion(), connection.getVersion()

    def on_domain(self, name: str, doing: str, call: Callable[[Any, Any], T]) -> T:
        """Return what ``call(domain, libvirt)`` returns: for what needs more of libvirt than the verbs here.

        Args:
            name: The domain's name.
            doing: What is being done, for the error.
            call: Is given the domain and the libvirt module.

        Raises:
            MachineGone, MachineRefused, LibvirtUnreachable: As for every verb.
        """
        with self._translated(doing):
            return call(self._domain(name), self._libvirt)

    def find(self, name: str) -> Domain | None:
        """Return a domain of ours by name; None where there is none, or where it is somebody else's."""
        try:
            with self._translated("looking for the machine"):
                return self._describe(self._domain(name))
        except MachineGone:
            return None

    def domains(self) -> list[Domain]:
        """Return every domain that bears our metadata."""
        with self._translated("listing machines"):
            found = [self._describe(domain) for domain in self._open().listAllDomains()]
        return [domain for domain in found if domain is not None]

    def pools(self) -> list[tuple[str, str, list[str]]]:
        """Return the active storage pools: name, description (XML), and the paths of their volumes."""
        libvirt = self._libvirt
        with self._translated("listing storage pools"):
            active = self._open().listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE)
        found = []
        for pool in active:
            with _ignored(libvirt):  # one that ends while we look
                found.append((pool.name(), pool.XMLDesc(), [v.path() for v in pool.listAllVolumes()]))
        return found

    def _describe(self, domain: Any) -> Domain | None:
        libvirt = self._libvirt
        try:
            record = domain.metadata(libvirt.VIR_DOMAIN_METADATA_ELEMENT, METADATA)
            code, why = domain.state()
            saved = code == libvirt.VIR_DOMAIN_SHUTOFF and domain.hasManagedSaveImage()
        except libvirt.libvirtError as error:
            if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN_METADATA, libvirt.VIR_ERR_NO_DOMAIN):
                return None  # another program's, or gone while we looked
            raise
        states = {
            libvirt.VIR_DOMAIN_SHUTOFF: "saved" if saved else "off",
            libvirt.VIR_DOMAIN_CRASHED: "crashed",
            libvirt.VIR_DOMAIN_PAUSED: "paused",
            libvirt.VIR_DOMAIN_PMSUSPENDED: "paused",
        }
        return Domain(
            name=domain.name(),
            state=states.get(code, "active"),
            record=read_metadata(record),
            fell=code == libvirt.VIR_DOMAIN_SHUTOFF and why == libvirt.VIR_DOMAIN_SHUTOFF_CRASHED,
        )

    def _domain(self, name: str) -> Any:
        return self._open().lookupByName(name)

    def _open(self) -> Any:
        with self._lock:
            if self._connection is None or not self._answers():
                self._connection = self._connect()
            return self._connection

    def _answers(self) -> bool:
        """Ask something small: a connection whose daemon has ended looks alive until it is used."""
        try:
            self._connection.getLibVersion()
        except self._libvirt.libvirtError:
            return False
        return True

    def _connect(self) -> Any:
        uri = reachable_uri(self.uri, self._data)
        try:
            return self._libvirt.open(uri)
        except self._libvirt.libvirtError as error:
            raise LibvirtUnreachable(
                f"libvirt does not answer at {self.uri}: {_said(error)}", _HINT
            ) from error

    @contextmanager
    def _translated(self, doing: str, unless: str = "") -> Iterator[None]:
        libvirt = self._libvirt
        try:
            yield
        except libvirt.libvirtError as error:
            code = error.get_error_code()
            if unless and code == getattr(libvirt, unless):
                return
            if code == libvirt.VIR_ERR_NO_DOMAIN:
                raise MachineGone(
                    f"{doing}: it is not there", "It may have been deleted elsewhere."
                ) from error
            if not self._connection.isAlive():
                message = f"{doing}: the connection to libvirt broke: {_said(error)}"
                raise LibvirtUnreachable(message, "Try again.") from error
            raise MachineRefused(f"{doing}: libvirt says: {_said(error)}", _advice(_said(error))) from error


def _import_libvirt() -> Any:
    try:
        import libvirt
    except ImportError as error:
        # As in the VML VM, which starts no machines.
        hint = f"{_HINT}. Or start the entry on a computer that has QEMU, by its launcher."
        raise ToolMissing(f"libvirt cannot be used from Python: {error}", hint) from error
    libvirt.registerErrorHandler(_say_nothing, None)
    return libvirt


def _say_nothing(context: object, error: object) -> None:
    return None


@contextmanager
def _ignored(libvirt: Any) -> Iterator[None]:
    try:
        yield
    except libvirt.libvirtError:
        return


def _said(error: Any) -> str:
    return " ".join(str(error.get_error_message() or error).split())


_ADVICE: tuple[tuple[Callable[[str], bool], str], ...] = (
    (
        lambda said: "protocol 'http'" in said or "Unknown driver 'http'" in said,
        "On Debian: apt install qemu-block-extra",
    ),
    (lambda said: "Permission denied" in said, "The hypervisor's user must be able to read that file."),
    (lambda said: "Cannot allocate memory" in said, "Choose a smaller machine, or stop another one."),
)


def _advice(said: str) -> str:
    return next((advice for applies, advice in _ADVICE if applies(said)), "")
