"""Export: entries become one file that another logbook takes in, and that restic reads without us.

entries -> likely secrets? -> said, left out, or let through -> archive, see ``repository.archive``

README.txt                 how to read the rest
manifest.json              format, which entries, which release
password                   opens the repository; generated for this file, so the logbook's own stays at home
repository/                the entries, as a restic repository
release/<image>            the CernVM image, where that was asked for
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import msgspec

from vml_jupyter.errors import Usage, WouldOverwrite, of_system
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.entry_secrets import RECORD, refusal, scan, unseen_in
from vml_jupyter.flows.manifest import FORMAT, ExportedEntry, ExportedRelease, Manifest, readme
from vml_jupyter.flows.secrets import Finding, Scan
from vml_jupyter.flows.settings import Settings
from vml_jupyter.logbook import Logbook
from vml_jupyter.model import Entry, Release
from vml_jupyter.progress import SILENT, EachOnce, Progress
from vml_jupyter.repository import SCRYPT_N_GENERATED, Node, Repository, generate_password
from vml_jupyter.repository.archive import Archive
from vml_jupyter.repository.archive_store import ArchiveStore
from vml_jupyter.snapshot.copying import Copied, Lessened, copy

IMAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,80}")


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What was written: where, how large, which entries; ``left_out`` are the files that seemed to hold secrets."""

    path: Path
    size_bytes: int
    entries: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    unseen: dict[str, int] = {}


@dataclass(frozen=True)
class _Machine:
    """Adds what the machine of the only entry needs."""

    settings: Settings

    def add(
        self,
        archive: Archive,
        repository: Repository,
        entry: Entry,
        tree: str,
        root: Node,
        progress: Progress,
    ) -> None:
        from vml_jupyter.flows.bundle import add_machine  # which imports what machines need

        add_machine(self.settings, archive, repository, entry, tree, root, progress)


def export(
    settings: Settings,
    entry_ids: Sequence[str],
    path: Path,
    *,
    with_release: bool = False,
    leave_out: bool = False,
    allow_secrets: bool = False,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Exported:
    """Write entries into one file, which appears whole or not at all.

    Args:
        settings: Where the logbook is.
        entry_ids: Which, or the beginnings of their ids.
        path: The file.
        with_release: Whether the CernVM images that they need go with them; and, for one entry, all that its
            launcher needs to start it without a server.
        leave_out: Leave out the files in which something looks like a secret.
        allow_secrets: Let them through.
        overwrite: Whether a file that is there may be replaced.
        progress: Who listens.

    Raises:
        NotFound, Ambiguous: There is no such entry.
        NotAllowed: It is a snapshot of restic's.
        SecretsFound: Something looks like a secret, and nobody said what to do; says where.
        WouldOverwrite: The file is there.
        LogbookDamaged: Something of an entry cannot be read.
        PinGone: What an entry, whose launcher goes with it, recorded cannot be had any more.
        ReleaseError: An image is not here and cannot be had.
        DiskFull, HostError: It cannot be written.
    """
    path = path.expanduser().absolute()
    _require_free(path, overwrite=overwrite)
    progress = EachOnce(progress)  # an image is looked for here, and for the launcher
    with opened(settings) as logbook:
        found = {entry.id: entry for entry in map(logbook.find_own, entry_ids)}
        entries = list(found.values())
        source = Lessened(logbook.repository)
        scans = {entry.id: scan(source, entry, progress) for entry in entries}
        findings = tuple(each for one in scans.values() for each in one.found)
        if findings and not (leave_out or allow_secrets):
            raise refusal(findings)
        if with_release and len(found) == 1:
            _require_pins(settings, entries[0], progress)
        images = _images(settings, entries, progress) if with_release else {}
        draft = path.with_name(f".{path.name}-{secrets.token_hex(6)}")
        try:
            with Archive.create(draft) as archive:
                machine = _Machine(settings) if len(found) == 1 and images else None
                _write(
                    archive,
                    source,
                    logbook,
                    entries,
                    scans if leave_out else {},
                    images,
                    path.name,
                    machine,
                    progress,
                )
                archive.finish()
            _give_name(draft, path, overwrite=overwrite)
        finally:
            draft.unlink(missing_ok=True)
    return Exported(
        path=path,
        size_bytes=path.stat().st_size,
        entries=tuple(found),
        left_out=tuple(sorted({each.path for each in findings})) if leave_out else (),
        findings=findings,
        unseen=unseen_in(scans.values()),
    )


def _require_pins(settings: Settings, entry: Entry, progress: Progress) -> None:
    """Refuse to write the launcher of a machine that could not come up, before anything is fetched or written."""
    from vml_jupyter.flows.context import chosen_pins
    from vml_jupyter.flows.durability import require

    release = entry.environment.release
    if release is not None and not release.is_cloud:
        for note in require(settings, entry, release, chosen_pins(entry.environment, ())):
            progress.note(note)


def _images(settings: Settings, entries: list[Entry], progress: Progress) -> dict[str, tuple[Path, Release]]:
    """Return the image of every release that the entries need, by the name it gets in the archive."""
    from vml_jupyter.flows.provide import provide  # which imports what downloads
    from vml_jupyter.release import digest

    found: dict[str, tuple[Path, Release]] = {}
    for entry in entries:
        release = entry.environment.release
        if release is None:
            progress.note(f"entry {entry.id} records no CernVM, so none goes with it")
        elif not release.is_cloud:
            path = provide(settings, release, progress)
            name = (
                path.name if IMAGE_NAME.fullmatch(path.name) else f"image-{digest(path, settings.cache)[:16]}"
            )
            found[name] = (path, release)
        else:
            raise Usage(
                f"{release.label} is a cloud image that was added here, which an export cannot hold",
                "Leave --with-release out, and send the image beside it.",
            )
    return found


def _write(
    archive: Archive,
    source: Lessened,
    logbook: Logbook,
    entries: list[Entry],
    scans: dict[str, Scan],
    images: dict[str, tuple[Path, Release]],
    name: str,
    machine: _Machine | None,
    progress: Progress,
) -> None:
    password = generate_password()
    archive.add("README.txt", [readme(entries, name, launches=machine is not None).encode()])
    archive.add("password", [password.encode() + b"\n"])
    repository = Repository.create(ArchiveStore(archive), password, scrypt_n=SCRYPT_N_GENERATED)
    copy_to = Logbook(repository)
    try:
        with repository.lock():
            for entry in sorted(entries, key=lambda each: each.time):
                progress.stage("copy", f"Writing {entry.id}")
                copied = _copy(source, logbook, copy_to, entry, scans.get(entry.id), progress)
                if machine:
                    root = logbook.area_node(entry)
                    machine.add(archive, repository, entry, copied.tree, root, progress)
    finally:
        copy_to.close()
    releases = tuple(_add_image(archive, name, *image, progress) for name, image in images.items())
    manifest = Manifest(
        format=FORMAT,
        program=f"vml-jupyter {version('vml_jupyter')}",
        entries=tuple(
            ExportedEntry(
                id=each.id,
                title=each.title,
                time=each.time,
                notebook=each.notebook,
                release=each.environment.release,
            )
            for each in entries
        ),
        releases=releases,
    )
    archive.add("manifest.json", [msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"])


def _copy(
    source: Lessened, logbook: Logbook, target: Logbook, entry: Entry, scan: Scan | None, progress: Progress
) -> Copied:
    tree, out = entry.tree, sorted(scan.paths) if scan else []
    if out:
        tree = source.without(tree, [path for path in out if path != RECORD])
    copied = copy(source, target.repository, tree, progress)
    shared = msgspec.structs.replace(entry, new_bytes=copied.new_bytes) if out else entry
    if RECORD in out:
        environment = msgspec.structs.replace(entry.environment, variables={})
        shared = msgspec.structs.replace(shared, note="", environment=environment)
    if out:
        note = f"{shared.note}\n\nLeft out when this was exported: {', '.join(out)}.".strip()[:100_000]
        shared = msgspec.structs.replace(shared, note=note, files=copied.files, bytes=copied.bytes)
    target.add(msgspec.structs.replace(shared, snapshot="", tree=""), copied.tree, logbook.area_node(entry))
    return copied


def _add_image(
    archive: Archive, name: str, image: Path, release: Release, progress: Progress
) -> ExportedRelease:
    from vml_jupyter.release import digest

    progress.stage("release", f"Writing {image.name}")
    name, size = f"release/{name}", image.stat().st_size
    for done in archive.add_file(name, image):
        progress.advance(done, size, "bytes")
    return ExportedRelease(file=name, sha256=digest(image), size_bytes=size, release=release)


def _require_free(path: Path, *, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise Usage(f"there is no folder {path.parent}", "Make it first, or name another place.")
    if (path.exists() or path.is_symlink()) and not (overwrite and path.is_file() and not path.is_symlink()):
        raise WouldOverwrite(f"{path} is there already", "Name another file, or say --overwrite.")


def _give_name(draft: Path, path: Path, *, overwrite: bool) -> None:
    try:
        if overwrite:
            draft.replace(path)
        else:
            os.link(draft, path)  # which fails where somebody was faster
    except FileExistsError as error:
        raise WouldOverwrite(f"{path} was made by somebody meanwhile", "Name another file.") from error
    except OSError as error:
        raise of_system(error) from error
