"""Every error this package raises on purpose, drawn as one tree.

    VmlError
    |-- Usage              what was asked for cannot be asked for so
    |-- Cancelled          the user ended a job
    |-- NotFound           no such entry, release, machine or job
    |-- Ambiguous          a short id names more than one thing
    |-- BadArea            the working area is missing, unreadable or no folder
    |-- BadNotebook        outside the area, missing, or no notebook
    |-- WouldOverwrite     the target already holds something
    |-- SecretsFound       what was to be shared seems to hold secrets; says where
    |-- LogbookError
    |   |-- LogbookMissing     nothing there that is a logbook
    |   |-- WrongPassword      no key of the logbook opens with it
    |   |-- LogbookLocked      somebody else holds it exclusively
    |   |-- LogbookDamaged     an object is absent, cut or altered
    |   `-- StoreUnreachable   the place where it lies does not answer
    |-- ReleaseError
    |   |-- ReleaseNotFound        neither here nor in any repository
    |   |-- ReleaseUnknown         an entry names none, and none was chosen
    |   |-- RepositoryUnreachable  the release repository does not answer
    |   |-- DigestMismatch         the bytes are not the published ones
    |   |-- SignatureWrong         the signature does not hold, or is a stranger's
    |   |-- PinGone                what an entry recorded cannot be had any more
    |   `-- ReleaseNeeded          an entry or a machine needs what was to be removed
    |-- HostError
    |   |-- ToolMissing        a program this work needs is not installed
    |   |-- LibvirtUnreachable no connection to the hypervisor
    |   |-- NoAccelerator      not even emulation runs a guest here
    |   |-- DiskFull           no room for what is to be written
    |   |-- PortTaken          an address is in use
    |   `-- LimitReached       the user's own limit of machines or of their memory
    |-- MachineError
    |   |-- MachineNotReady    it never answered; carries the console's end
    |   |-- MachineGone        it was removed or died underneath
    |   |-- MachineRefused     the hypervisor would not do it
    |   `-- CellFailed         a notebook's cell ended in an error there (in guest.notebook)
    `-- Foreign            bytes from elsewhere that break their format

A message says what is wrong and why; the hint says what to do, and ``choices`` say it to programs. ``code`` is the
class name in kebab-case and is what JSON and the browser see.
"""

from __future__ import annotations

import errno
import re

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


Choice = dict[str, str]
"""One way on: ``{"option": "release", "value": "4.5.1.0", "label": "CernVM 4.5.1.0"}`` is ``--release 4.5.1.0``."""


class VmlError(Exception):
    """Carry one fact and one piece of advice.

    Args:
        message: What is wrong and why, one line, no full stop needed.
        hint: What the user can do about it, one line; may be empty.
    """

    http_status = 500
    choices: tuple[Choice, ...] = ()

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def code(self) -> str:
        """Name this kind of error the way JSON does: ``MachineNotReady`` -> ``machine-not-ready``."""
        return re.sub(r"(?<!^)(?=[A-Z])", "-", type(self).__name__).lower()

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}".strip() if self.hint else self.message


class Usage(VmlError):
    http_status = 400


class Cancelled(VmlError):
    http_status = 409

    def __init__(self, message: str = "cancelled", hint: str = "") -> None:
        super().__init__(message, hint)


class NotFound(VmlError):
    http_status = 404


class Ambiguous(VmlError):
    http_status = 409


class BadArea(VmlError):
    http_status = 400


class BadNotebook(VmlError):
    http_status = 400


class WouldOverwrite(VmlError):
    http_status = 409


class SecretsFound(VmlError):
    """What is likely to be a secret, in what was to be shared.

    Args:
        findings: Where and of what kind each is, never what it says.
    """

    http_status = 409

    def __init__(self, message: str, hint: str = "", findings: tuple[dict[str, str], ...] = ()) -> None:
        super().__init__(message, hint)
        self.findings = findings


class LogbookError(VmlError):
    pass


class LogbookMissing(LogbookError):
    http_status = 404


class WrongPassword(LogbookError):
    http_status = 403


class LogbookLocked(LogbookError):
    http_status = 409


class LogbookDamaged(LogbookError):
    pass


class StoreUnreachable(LogbookError):
    http_status = 502


class ReleaseError(VmlError):
    pass


class ReleaseNotFound(ReleaseError):
    http_status = 404


class ReleaseUnknown(ReleaseError):
    http_status = 409


class RepositoryUnreachable(ReleaseError):
    http_status = 502


class DigestMismatch(ReleaseError):
    http_status = 502


class SignatureWrong(ReleaseError):
    http_status = 502


class PinGone(ReleaseError):
    """A pin that cannot be met, before anything is made for it.

    Args:
        choices: What can be asked for instead.
    """

    http_status = 409

    def __init__(self, message: str, hint: str = "", choices: tuple[Choice, ...] = ()) -> None:
        super().__init__(message, hint)
        self.choices = choices


class ReleaseNeeded(ReleaseError):
    http_status = 409


class HostError(VmlError):
    pass


class ToolMissing(HostError):
    pass


class LibvirtUnreachable(HostError):
    pass


class NoAccelerator(HostError):
    pass


class DiskFull(HostError):
    http_status = 507


class PortTaken(HostError):
    http_status = 409


class LimitReached(HostError):
    http_status = 409


class MachineError(VmlError):
    pass


class MachineNotReady(MachineError):
    """A machine that did not come up in time.

    Args:
        console: The last lines the machine wrote to its serial console.
    """

    http_status = 504

    def __init__(self, message: str, hint: str = "", console: str = "") -> None:
        super().__init__(message, hint)
        self.console = console

    def __str__(self) -> str:
        return f"{super().__str__()}\n{self.console}" if self.console else super().__str__()


class MachineGone(MachineError):
    http_status = 410


class MachineRefused(MachineError):
    pass


class Foreign(VmlError):
    http_status = 422


def of_system(error: OSError) -> HostError:
    """Return what the operating system says, where no room below had better words for it."""
    where = str(error.filename or "a file of VML")
    if error.errno in NO_ROOM:
        return DiskFull(
            f"no room is left for {where}", "Free space there, or put VML's data elsewhere (VML_DATA)."
        )
    why = error.strerror or str(error)
    return HostError(
        f"{where}: {why}", "Check that it is there and yours to use; VML_DATA names another place."
    )
