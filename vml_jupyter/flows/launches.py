"""Launchers: a script that starts an entry's machine on a computer where VML is not installed.

    entry -> pins there? -> image that can be had here -> script, with a token that pairs once        (launcher)
    script's token + its own -> a machine of its own: context, working area, image, status            (pair, ...)
    machine's token -> what changed in it becomes an entry                                  (see launch_capture)

The machine is told the same as one that is restored here, and its disks are the same; only who starts QEMU differs.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from vml_jupyter.errors import NotAllowed, NotFound, Usage
from vml_jupyter.flows.areas import GUEST_ID, source_in
from vml_jupyter.flows.chosen import chosen
from vml_jupyter.flows.context import chosen_pins
from vml_jupyter.flows.differences import differences
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.guest_context import guest_config, write_context
from vml_jupyter.flows.launch_records import PAIRING_S, REMOVED, Launch, Pairing, Records, digest
from vml_jupyter.flows.releases import release_of
from vml_jupyter.flows.settings import Settings
from vml_jupyter.launcher import written
from vml_jupyter.logbook import Logbook
from vml_jupyter.machine.accelerator import CPU_MODELS, boot_sector
from vml_jupyter.machine.domain_xml import AGENT_CHANNEL, CHANGES_CHANNEL, cpu_model, mac
from vml_jupyter.model import new_entry_id
from vml_jupyter.progress import SILENT, Progress
from vml_jupyter.release import ISO, identify, judge, kind_of, parse_image_name
from vml_jupyter.release import digest as digest_of
from vml_jupyter.release.trust import remark
from vml_jupyter.snapshot.image import AreaImage, Kept

STAGES = (
    "paired",
    "accelerator",
    "image",
    "fetch",
    "start",
    "ready",
    "running",
    "suspend",
    "suspended",
    "stopped",
    "capture",
    "captured",
    "failed",
    "ended",
    REMOVED,
)
_STAGES_KEPT = 100
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,128}")
_SECTOR = 512
_AREAS = 8


class Launcher(msgspec.Struct, frozen=True, kw_only=True):
    """A launcher: its text, the SHA-256 of that, and when its token ends, in seconds since 1970."""

    entry: str
    text: str
    sha256: str
    expires: int


class Paired(msgspec.Struct, frozen=True, kw_only=True):
    """What a launcher that paired is told: its machine, and what to ask for."""

    machine: str
    jupyter_token: str
    context: dict[str, str | int]
    area_bytes: int


def launcher(
    settings: Settings,
    entry_id: str,
    servers: Sequence[str],
    *,
    certificate: str = "",
    release: str | None = None,
    without_pins: Sequence[str] = (),
    progress: Progress = SILENT,
) -> Launcher:
    """Write an entry's launcher, and remember it, so that it can pair: this very text, once, within an hour.

    Args:
        settings: Where the logbook and images are.
        entry_id: The entry, or the beginning of its id.
        servers: The addresses of the VML server, as the user's computer reaches it; with none it never pairs, and
            finds all that it needs beside itself.
        certificate: The SHA-256 of the server's certificate, where it is to be that one and no other.
        release: Another CernVM version than the recorded one.
        without_pins: Repositories that follow their newest revision instead of the recorded one; ``all`` for all.
        progress: Who listens: an image that is not here is downloaded first.

    Raises:
        NotFound: No such entry, or it has no such pin.
        PinGone: What it recorded cannot be had any more; carries what a restore can be asked for instead.
        ReleaseError: Its release cannot be had.
        Usage: Its release is a cloud image, which a launcher cannot start.
    """
    with opened(settings) as logbook:
        entry = logbook.find(entry_id)
    wanted = release_of(settings, entry, release)
    if wanted.is_cloud:
        raise Usage(
            f"{wanted.label} is a cloud image, and a launcher starts CernVM only",
            "Restore it where VML is installed, or name a CernVM with --release.",
        )
    made_of = chosen(settings, entry, release, without_pins, progress)
    image = made_of.image
    token, expires = secrets.token_urlsafe(32), int(time.time()) + PAIRING_S
    config: dict[str, object] = {
        "entry": entry.id,
        "title": entry.title,
        "notebook": entry.notebook,
        "label": made_of.release.label,
        "differs": [each.label for each in differences(entry.environment, made_of.release, made_of.pins)],
        "signature": _signature(settings, image),
        "image": {
            "sha256": digest_of(image, settings.cache),
            "size_bytes": image.stat().st_size,
            "cd": kind_of(image) == ISO,
        },
        "shape": msgspec.to_builtins(settings.shape),
        "servers": list(servers),
        "certificate": certificate,
        "mirrors": _mirrors(settings, image),
        "pairing": token,
        "expires": expires,
        "cpu": {name: cpu_model(name) for name in CPU_MODELS},
        "channels": [AGENT_CHANNEL, CHANGES_CHANNEL],
        "mac": mac(entry.id),
        "probe": boot_sector()[:_SECTOR].hex(),
    }
    script = written(config)
    if servers:
        pairing = Pairing(
            entry=entry.id,
            expires=expires,
            script=script.sha256,
            image=str(image),
            release=made_of.release,
            without_pins=tuple(without_pins),
        )
        Records(settings).add_pairing(token, pairing)
    return Launcher(entry=entry.id, text=script.text, sha256=script.sha256, expires=expires)


def pair(settings: Settings, token: str, client: str, script_sha256: str) -> Paired:
    """Give a launcher its machine; asked again by the same client, the same one.

    Args:
        settings: Where things lie.
        token: The one in the script.
        client: The one that the script chose for itself; from now on the machine's.
        script_sha256: The digest of the script, as it lies on that computer.

    Raises:
        NotAllowed: The token is used up, has expired or is none, or the script was altered.
        NotFound: The entry was forgotten meanwhile.
    """
    if not _TOKEN.fullmatch(client):
        raise Usage("the machine's token is none", "Get a new launcher.")
    records = Records(settings)
    pairing = records.find_pairing(token, client)
    if script_sha256 != pairing.script:
        raise NotAllowed(
            "this launcher is not as the server wrote it (its SHA-256 differs)",
            "Get it anew, and compare the digest.",
        )
    if not pairing.machine:
        pairing = _paired(settings, records, pairing, token, client)
    launch = records.find(pairing.machine, client)
    context = records.context(launch.machine).read_bytes()
    with ServedAreas(settings) as areas:
        size = areas.size(launch)
    return Paired(
        machine=launch.machine,
        jupyter_token=launch.jupyter_token,
        context={"sha256": hashlib.sha256(context).hexdigest(), "size_bytes": len(context)},
        area_bytes=size,
    )


def _paired(settings: Settings, records: Records, pairing: Pairing, token: str, client: str) -> Pairing:
    """Make the client's machine and use the launcher up, whatever an earlier request of his came to or still does."""
    begun = records.find_begun(pairing.entry, client)  # where a crash came before the launcher was used up
    machine = begun.machine if begun else new_entry_id()
    pairing = msgspec.structs.replace(pairing, machine=machine, token=digest(client))
    if begun is None:
        records.add(_launch(settings, records, pairing))
    try:
        records.use(token, pairing)
    except FileExistsError:
        used = records.find_pairing(token, client)
        if used.machine != machine:
            records.forget(machine)
        return used
    return pairing


def _launch(settings: Settings, records: Records, pairing: Pairing) -> Launch:
    """Make what a machine elsewhere needs of this server."""
    with opened(settings) as logbook:
        entry = logbook.find(pairing.entry)
        source = source_in(settings, logbook, entry)
    release = pairing.release or release_of(settings, entry, None)
    pins = chosen_pins(entry.environment, pairing.without_pins)
    jupyter_token = secrets.token_urlsafe(32)
    config = guest_config(entry, release, pairing.machine, jupyter_token, "/", "")
    records.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with TemporaryDirectory(dir=records.folder) as folder:
        written = write_context(settings, Path(folder), config, release, pins)
        written.replace(records.context(pairing.machine))
    now = time.time()
    return Launch(
        machine=pairing.machine,
        entry=entry.id,
        title=entry.title,
        notebook=entry.notebook,
        label=release.label,
        logbook=source.logbook,
        tree=source.tree,
        root=source.root,
        release=release,
        differences=differences(entry.environment, release, pins),
        image=pairing.image,
        token=pairing.token,
        jupyter_token=jupyter_token,
        made=now,
        seen=now,
    )


def report(settings: Settings, launch: Launch, stage: str, accelerator: str) -> None:
    """Take down how a machine elsewhere stands.

    Raises:
        Usage: That is no stage.
    """
    if stage not in STAGES or accelerator not in ("", "kvm", "tcg"):
        raise Usage("that is no stage of a launcher")
    now = time.time()
    told = msgspec.structs.replace(
        launch,
        stage=stage,
        accelerator=accelerator or launch.accelerator,
        seen=now,
        stages=(*launch.stages, (stage, now))[-_STAGES_KEPT:],
    )
    records = Records(settings)
    if stage == REMOVED:
        records.end(told)
    else:
        records.add(told)


class ServedAreas:
    """The working areas of machines elsewhere, as disks; a few stay open. Safe between threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open: OrderedDict[tuple[str, str, bytes], tuple[Logbook, AreaImage]] = OrderedDict()
        self._mutex = threading.Lock()

    def read(self, launch: Launch, offset: int, length: int) -> bytes:
        """Return a part of a machine's disk.

        Raises:
            NotFound: The entry was forgotten meanwhile.
            LogbookDamaged: Something of it cannot be read.
        """
        return self._image(launch).read(offset, length)

    def size(self, launch: Launch) -> int:
        """Return how large a machine's disk is; errors as for ``read``."""
        return self._image(launch).size

    def __enter__(self) -> ServedAreas:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        with self._mutex:
            for logbook, image in self._open.values():
                image.close()
                logbook.close()
            self._open.clear()

    def _image(self, launch: Launch) -> AreaImage:
        key = (launch.logbook, launch.tree, msgspec.json.encode(launch.root))
        with self._mutex:
            if key not in self._open:
                settings = self._settings.using(logbook=launch.logbook)
                password = settings.password()
                if password is None:
                    raise NotFound("the logbook of this machine cannot be opened any more", "Ask its owner.")
                logbook = Logbook.open(launch.logbook, password, cache=settings.cache)
                kept = Kept(settings.cache / "images", logbook.repository.seal, logbook.repository.unseal)
                image = AreaImage(
                    logbook.repository, launch.tree, uid=GUEST_ID, gid=GUEST_ID, root=launch.root, kept=kept
                )
                self._open[key] = (logbook, image)
                if len(self._open) > _AREAS:
                    former_logbook, former = self._open.popitem(last=False)[1]
                    former.close()
                    former_logbook.close()
            self._open.move_to_end(key)
            return self._open[key][1]


def _signature(settings: Settings, image: Path) -> str:
    """Return what is known of an image's signature, for people."""
    known = identify(image, settings.cache)
    if known is None:
        return ""
    told = judge(known, settings.trust(), settings.cache)
    if told.status == "signed":
        return f"signed by {told.signer}"
    return remark(told, image.name)


def _mirrors(settings: Settings, image: Path) -> list[str]:
    """Return where else the image can be had, under CernVM's names."""
    name = parse_image_name(image.name)
    if name is None:
        return []
    bases = [address for each in settings.repositories() for address in (each.url, *each.mirrors)]
    return [f"{base.rstrip('/')}/{name.path()}" for base in bases]
