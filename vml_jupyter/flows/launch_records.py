"""What a server remembers of launchers: those that were made, and the machines that came of them.

    <data>/launches/pairings/<SHA-256 of the token>.json    a launcher that nobody has used yet
                            /<SHA-256 of the token>.used    ... that somebody has; it must be new, so only one can
                   /<machine>.json        0600              a machine on somebody's computer, and how it stands
                   /<machine>.context.iso 0600              what it is told
                   /<machine>.captures    0600              the entries that were captured from it, by wish, in order

A power cut leaves each of them whole. Tokens themselves are in none of these files. What is older than a week and came
to nothing is removed.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from vml_jupyter.errors import Foreign, NotAllowed, NotFound
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Difference, Release
from vml_jupyter.parsing import parse
from vml_jupyter.replacing import replace_file
from vml_jupyter.repository import Node

T = TypeVar("T")
PAIRING_S = 3600
PAIRED, REMOVED = "paired", "removed"
_KEPT_S = 7 * 86_400


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """A launcher: the entry that its token is for, until when; the script's digest, the image's file.

    ``release`` and ``without_pins`` are what its machine is made of, where that was chosen or found out.
    """

    entry: str
    expires: float
    script: str
    image: str
    machine: str = ""
    token: str = ""
    release: Release | None = None
    without_pins: tuple[str, ...] = ()


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """A machine that runs elsewhere; ``token`` is the SHA-256 of its token, ``seen`` when it was heard of last.

    ``root`` is the node of its working area's own folder, ``differences`` say in what it is not what was recorded.
    ``stages`` are those that it went through, each with when it was entered; of one that is ``removed`` only the
    record is left, so that its end can be seen.
    """

    machine: str
    entry: str
    title: str
    notebook: str
    label: str
    logbook: str
    tree: str
    image: str
    token: str
    jupyter_token: str
    made: float
    seen: float
    stage: str = PAIRED
    accelerator: str = ""
    root: Node | None = None
    release: Release | None = None
    differences: tuple[Difference, ...] = ()
    stages: tuple[tuple[str, float], ...] = ()


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Records:
    """The files of one user's server."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.data / "launches"

    def add_pairing(self, token: str, pairing: Pairing) -> None:
        self._sweep()
        replace_file(self._pairing(token, "json"), [msgspec.json.encode(pairing)], lasts=True)

    def find_pairing(self, token: str, client: str) -> Pairing:
        """Return the launcher that a token belongs to, if it can be used now, or was used by this very client.

        Raises:
            NotAllowed: It is nobody's, was used by somebody else, or has expired.
        """
        used = self._read(self._pairing(token, "used"), Pairing)
        if used is not None:
            if hmac.compare_digest(used.token, digest(client)):
                return used
            raise NotAllowed(
                "this launcher was used already", "A launcher works once. Get a new one from the server."
            )
        pairing = self._read(self._pairing(token, "json"), Pairing)
        if pairing is None:
            raise NotAllowed("this server made no such launcher", "Get a new one from the server.")
        if time.time() > pairing.expires:
            raise NotAllowed(
                "this launcher has expired: it works for an hour", "Get a new one from the server."
            )
        return pairing

    def use(self, token: str, pairing: Pairing) -> None:
        """Use a launcher up, for the client and the machine that ``pairing`` names.

        Raises:
            FileExistsError: Another request was faster.
        """
        replace_file(self._pairing(token, "used"), [msgspec.json.encode(pairing)], lasts=True, new=True)
        self._pairing(token, "json").unlink(missing_ok=True)

    def add(self, launch: Launch) -> None:
        replace_file(self.folder / f"{launch.machine}.json", [msgspec.json.encode(launch)], lasts=True)

    def context(self, machine: str) -> Path:
        return self.folder / f"{machine}.context.iso"

    def captured(self, machine: str) -> dict[str, str]:
        """Return the entries that were captured from a machine, by the wish that each came of, oldest first."""
        return self._read(self._captures(machine), dict[str, str]) or {}

    def add_captured(self, machine: str, wish: str, entry: str) -> None:
        known = {**self.captured(machine), wish: entry}
        replace_file(self._captures(machine), [msgspec.json.encode(known)], lasts=True)

    def find(self, machine: str, token: str) -> Launch:
        """Return the machine that a token is for.

        Raises:
            NotAllowed: It is for no machine, or for another.
        """
        launch = self._read(self.folder / f"{machine}.json", Launch) if machine.isalnum() else None
        if launch is None or launch.stage == REMOVED or not hmac.compare_digest(launch.token, digest(token)):
            raise NotAllowed("this token is not for this machine", "Say remove, and get a new launcher.")
        return launch

    def find_begun(self, entry: str, token: str) -> Launch | None:
        """Return the machine that was made for an entry and a token, if no more was heard of it."""
        begun = (each for each in self.all() if (each.entry, each.stage) == (entry, PAIRED))
        return next((each for each in begun if hmac.compare_digest(each.token, digest(token))), None)

    def all(self) -> list[Launch]:
        """Return the machines elsewhere, the newest first."""
        found = [self._read(file, Launch) for file in self.folder.glob("*.json")]
        return sorted((each for each in found if each), key=lambda each: each.made, reverse=True)

    def end(self, launch: Launch) -> None:
        """Keep of a machine only that it was there."""
        self._clear(launch.machine)
        self.add(launch)

    def forget(self, machine: str) -> None:
        """Forget a machine.

        Raises:
            NotFound: There is none.
        """
        file = self.folder / f"{machine}.json"
        if not machine.isalnum() or not file.is_file():
            raise NotFound(f"no machine {machine[:20]!r} was launched from here", "See `vml launches`.")
        self._clear(machine)
        file.unlink(missing_ok=True)

    def _pairing(self, token: str, suffix: str) -> Path:
        return self.folder / "pairings" / f"{digest(token)}.{suffix}"

    def _clear(self, machine: str) -> None:
        for beside in (self.context(machine), self._captures(machine)):
            beside.unlink(missing_ok=True)

    def _captures(self, machine: str) -> Path:
        return self.folder / f"{machine}.captures"

    def _read(self, file: Path, type_: type[T]) -> T | None:
        try:
            return parse(file.read_bytes(), type_)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise Foreign(f"{file} cannot be read: {error}", "Remove it.") from error

    def _sweep(self) -> None:
        for file in (self.folder / "pairings").glob("*"):
            with suppress(FileNotFoundError):
                if file.stat().st_mtime < time.time() - _KEPT_S:
                    file.unlink()
        for launch in self.all():
            if launch.stage == REMOVED and launch.seen < time.time() - _KEPT_S:
                self.forget(launch.machine)
