"""Releases as the user meets them: listed, named, fetched, kept, removed; with and without network."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from release_images import ca_file, publish, signed_disk

from vml_jupyter.cli.main import main
from vml_jupyter.errors import (
    DigestMismatch,
    DiskFull,
    Foreign,
    NotFound,
    ReleaseNeeded,
    ReleaseNotFound,
    RepositoryUnreachable,
    SignatureWrong,
    Usage,
    WouldOverwrite,
)
from vml_jupyter.flows import added, keeping
from vml_jupyter.flows.bin import empty_bin, forget
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.provide import provide
from vml_jupyter.flows.releases import list_images, list_releases, named_release
from vml_jupyter.flows.settings import RepositorySource, Settings, load
from vml_jupyter.guest import jupyter_setup
from vml_jupyter.machine.spec import MachineSpec, save_spec
from vml_jupyter.model import Entry, Release
from vml_jupyter.progress import SILENT, Stopwatch
from vml_jupyter.release import Repository, Trust
from vml_jupyter.release.mirror import served

SYSTEMS = {"4.5.0.1": 1611705600, "4.6.0.0": 1654000000}
OLD, NEW = signed_disk("2020.07-1"), signed_disk("2021.05-1")
GONE = "http://127.0.0.1:9"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    return publish(tmp_path / "site", SYSTEMS, {"2020.07-1": OLD, "2021.05-1": NEW})


@pytest.fixture
def url(site: Path) -> Iterator[str]:
    with served(site) as url:
        yield url


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    (folder / "Downloads").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def user(settings: Settings, url: str, home: Path) -> Settings:
    return settings.using(release_urls=(url,))


def entry_in(settings: Settings, folder: Path, release: str) -> Entry:
    area = folder / "area"
    area.mkdir(exist_ok=True)
    (area / "a.txt").write_text("work")
    return capture(settings, area, release=release)


def states(settings: Settings) -> dict[str, str]:
    return {line.release.system: line.state for line in list_releases(settings)}


def test_a_list_tells_here_downloadable_and_gone(user: Settings, site: Path, tmp_path: Path) -> None:
    entry_in(user, tmp_path, "4.5.0.1")
    lines = {line.release.system: line for line in list_releases(user)}
    assert [line.state for line in lines.values()] == ["downloadable", "downloadable"]
    newest = lines["4.6.0.0"]
    assert (newest.published, newest.size_bytes) == ("2022-05-31", len(NEW))
    assert newest.what == "µCernVM 2021.05-1 (v4prod, disk)"
    path = provide(user, newest.release)
    assert path.read_bytes() == NEW
    assert states(user) == {"4.6.0.0": "here", "4.5.0.1": "here"}
    publish(site, {"4.6.0.0": SYSTEMS["4.6.0.0"]}, {})
    lines = {line.release.system: line for line in list_releases(user)}
    assert {system: line.state for system, line in lines.items()} == {"4.6.0.0": "here", "4.5.0.1": "gone"}
    assert "no repository has this system" in lines["4.5.0.1"].reason


def test_an_image_that_is_gone_everywhere(user: Settings, site: Path, tmp_path: Path) -> None:
    entry_in(user, tmp_path, "4.5.0.1@2020.07-1")
    assert states(user)["4.5.0.1"] == "downloadable"
    shutil.rmtree(next(site.glob("releases/ucernvm-images.2020.07-1*")))
    line = next(line for line in list_releases(user) if line.release.bootloader == "2020.07-1")
    assert (line.state, line.reason) == ("gone", "nobody has its image")
    alone = user.using(release_urls=(GONE,))
    line = next(line for line in list_releases(alone) if line.release.bootloader == "2020.07-1")
    assert line.state == "unknown"


def test_an_image_that_only_the_server_lost_is_still_here(user: Settings, site: Path) -> None:
    path = provide(user, named_release(user, "4.5.0.1"))
    shutil.rmtree(next(site.glob("releases/ucernvm-images.2021.05-1*")))
    lines = {line.release.system: line for line in list_releases(user)}
    assert {line.state for line in lines.values()} == {"here"}
    assert lines["4.5.0.1"].path == str(path)


def test_an_image_that_one_mirror_lost_another_gives(user: Settings, site: Path, tmp_path: Path) -> None:
    shutil.copytree(site, tmp_path / "other")
    with served(tmp_path / "other") as other:
        source = RepositorySource(url=user.release_urls[0], mirrors=[other])
        both = user.using(sources=(source,))
        assert {line.url.startswith(source.url) for line in list_releases(both)} == {True}
        for file in site.glob("releases/ucernvm-images.2021.05-1*/*.hdd"):
            file.unlink()  # its digest is still published there
        lines = list_releases(both)
        assert {line.state for line in lines} == {"downloadable"}
        assert {line.url.startswith(other) for line in lines} == {True}
        assert provide(both, named_release(both, "4.5.0.1")).read_bytes() == NEW


def test_an_image_that_was_replaced_is_gone_for_those_that_need_the_first(
    user: Settings, site: Path, tmp_path: Path
) -> None:
    entry = entry_in(user, tmp_path, "4.5.0.1")
    assert entry.environment.release is not None
    assert entry.environment.release.image_sha256 == hashlib.sha256(NEW).hexdigest()
    other = signed_disk("2021.05-1", payload=bytes(512))
    publish(site, SYSTEMS, {"2021.05-1": other})
    lines = [line for line in list_releases(user) if line.release.system == "4.5.0.1"]
    new, old = sorted(lines, key=lambda line: line.state)
    assert (new.state, new.release.image_sha256) == ("downloadable", hashlib.sha256(other).hexdigest())
    assert (old.state, old.release) == ("gone", entry.environment.release)
    assert "another file than the recorded one" in old.reason


def test_a_system_that_needs_one_bootloader_gets_it(user: Settings, site: Path) -> None:
    publish(site, {**SYSTEMS, "4.4.0.0": 1600000000}, {}, needs={"4.4.0.0": "2020.07-1"})
    assert named_release(user, "4.4.0.0").bootloader == "2020.07-1"
    assert named_release(user, "4.5.0.1").bootloader == "2021.05-1"
    assert provide(user, named_release(user, "4.5.0.1")).read_bytes() == NEW
    assert provide(user, named_release(user, "4.4.0.0")).read_bytes() == OLD
    assert {line.release.system: line.release.bootloader for line in list_releases(user)} == {
        "4.6.0.0": "2021.05-1",
        "4.5.0.1": "2021.05-1",
        "4.4.0.0": "2020.07-1",
    }


def test_a_bootloader_can_be_insisted_on(user: Settings) -> None:
    release = named_release(user, "CernVM 4.5.0.1@2020.07-1")
    assert (release.bootloader, release.image_sha256) == ("2020.07-1", "")
    assert provide(user, release).read_bytes() == OLD
    with pytest.raises(ReleaseNotFound, match="2019"):
        provide(user, named_release(user, "4.5.0.1@2019.01-1"))


def test_without_network_what_is_known_suffices(user: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    provide(user, named_release(user, "4.5.0.1"))
    offline = user.using(release_urls=("http://203.0.113.1", "http://cernvm.invalid"))
    for memory in user.cache.glob("catalog-*"):  # what these would have told before the network went
        name = hashlib.sha256(offline.release_urls[0].encode()).hexdigest()[:16]
        shutil.copy(memory, user.cache / f"catalog-{name}.json")

    def nobody(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("vml_jupyter.release.reach.answering", nobody)
    monkeypatch.setattr("vml_jupyter.release.web.get", nobody)
    release = named_release(offline, "4.5.0.1")
    assert provide(offline, release).read_bytes() == NEW
    assert provide(offline, Release(system="4.5.0.1", bootloader="2021.05-1")).read_bytes() == NEW


def test_a_release_that_nobody_could_be_asked_for_is_not_said_to_be_none(
    user: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ReleaseNotFound, match=r"known: 4\.5\.0\.1, 4\.6\.0\.0"):
        named_release(user, "4.7.0.0")
    alone = user.using(release_urls=("http://127.0.0.1:9",), data=tmp_path / "fresh")
    with pytest.raises(
        RepositoryUnreachable, match=r"CernVM 4\.7\.0\.0 cannot be told.*does not answer"
    ) as caught:
        named_release(alone, "4.7.0.0")
    assert "network" in caught.value.hint
    monkeypatch.setenv("VML_DATA", str(alone.data))
    monkeypatch.setenv("VML_CONFIG", str(alone.config))
    monkeypatch.setenv("VML_RELEASE_URLS", "http://127.0.0.1:9")
    assert main(["releases"]) == 0
    shown = capsys.readouterr()
    assert "No release is known here" in shown.out
    assert "does not answer" in shown.err


def test_without_network_a_list_waits_two_seconds_in_all(
    user: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vml_jupyter.release import reach

    def stuck(hop: object, timeout: float) -> None:
        import threading

        threading.Event().wait(6)
        raise OSError

    monkeypatch.setattr(reach.socket, "create_connection", stuck)
    reach.forget()
    offline = user.using(release_urls=tuple(f"http://mirror-{number}.invalid" for number in range(5)))
    began = time.monotonic()
    assert list_releases(offline) == []
    assert time.monotonic() - began < 5, "two seconds for all, not two for each"
    reach.forget()


def test_a_virtualbox_disk_in_downloads_is_taken_out_once(user: Settings, home: Path) -> None:
    raw, file = home / "raw", home / "Downloads" / "from-a-colleague"
    raw.write_bytes(NEW)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "vdi", raw, file], check=True)
    raw.unlink()
    offline = user.using(release_urls=(GONE,), release_ca=ca_file(home))
    release = Release(system="4.5.0.1", bootloader="2021.05-1", flavour="v4prod", image_sha256="a" * 64)
    path = provide(offline, release)
    assert path.read_bytes() == NEW
    before = path.stat().st_mtime_ns
    assert provide(offline, release) == path
    assert path.stat().st_mtime_ns == before
    kinds = {(known.image.kind, known.signature) for known in list_images(offline)}
    assert kinds == {("vdi", "unsigned"), ("raw", "signed")}, "the disk inside is the signed one"


def flip_a_byte(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.seek(150_000)
        byte = stream.read(1)
        stream.seek(150_000)
        stream.write(bytes([byte[0] ^ 1]))


def test_a_disk_that_was_changed_since_it_was_taken_out_is_taken_out_again(
    user: Settings, home: Path
) -> None:
    raw, file = home / "raw", home / "Downloads" / "image.qcow2"
    raw.write_bytes(NEW)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, file], check=True)
    raw.unlink()
    offline = user.using(release_urls=(GONE,))
    release = Release(system="4.5.0.1", bootloader="2021.05-1", flavour="v4prod")
    path = provide(offline, release)
    flip_a_byte(path)
    assert path.read_bytes() != NEW
    watch = Stopwatch(SILENT)
    again = provide(offline, release, watch)
    assert again.read_bytes() == NEW
    assert hashlib.sha256(NEW).hexdigest() == again.parent.name
    assert any("changed since it was taken out" in note for note in watch.notes)


def test_there_must_be_room_for_a_disk_before_it_is_taken_out(
    user: Settings, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, file = home / "raw", home / "Downloads" / "image.qcow2"
    raw.write_bytes(NEW)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, file], check=True)
    # ... which has a few hundred kB in it, however large it claims to be.
    subprocess.run(["qemu-img", "resize", "-q", "-f", "qcow2", file, "20G"], check=True)
    raw.unlink()
    offline = user.using(release_urls=(GONE,))
    release = Release(system="4.5.0.1", bootloader="2021.05-1", flavour="v4prod")
    usage = shutil.disk_usage("/")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=64 << 20))
        with pytest.raises(DiskFull, match=r"the disk in image\.qcow2 needs \d MiB more"):
            provide(offline, release)
        assert list(user.releases.iterdir()) == [], "nothing was begun"
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=70 << 20))
        path = provide(offline, release)
        assert path.stat().st_size == len(NEW)
        assert path.read_bytes() == NEW


def test_an_image_with_a_wrong_signature_is_never_kept(user: Settings, site: Path) -> None:
    wrong = NEW[:-32768] + OLD[-32768:]
    publish(site, SYSTEMS, {"2021.05-1": wrong})
    with pytest.raises(SignatureWrong):
        provide(user, named_release(user, "4.5.0.1"))
    assert list(user.releases.rglob("*.hdd")) == []


def test_mirrors_come_from_the_table(user: Settings, site: Path, tmp_path: Path, url: str) -> None:
    config = user.config / "config.json"
    config.parent.mkdir()
    config.write_text(
        json.dumps(
            {
                "release_sources": [
                    {"kind": "repository", "url": GONE, "mirrors": [url], "systems": [url]},
                    {"kind": "folder", "path": str(tmp_path / "group")},
                    {"kind": "pools", "uri": ""},
                ],
                "release_ca": str(ca_file(tmp_path)),
                "release_signers": ["/CN=us"],
            }
        )
    )
    settings = load({"VML_DATA": str(user.data), "VML_CONFIG": str(user.config)})
    assert settings.repositories() == [Repository(url=GONE, mirrors=(url,), systems=(url,))]
    assert settings.trust() == Trust(authorities=tmp_path / "ca.pem", signers=("/CN=us",))
    assert tmp_path / "group" in settings.image_folders()
    assert settings.pool_uris() == []
    assert provide(settings, named_release(settings, "4.5.0.1")).read_bytes() == NEW
    other = load({"VML_CONFIG": str(user.config), "VML_RELEASE_URLS": url, "VML_RELEASE_CA": ""})
    assert other.repositories() == [Repository(url=url)]
    assert other.release_ca is None
    config.write_text('{"release_sources": [{"kind": "floppy"}]}')
    with pytest.raises(Usage, match="cannot be understood"):
        load({"VML_CONFIG": str(user.config)})


def test_of_two_files_of_one_name_the_one_that_is_offered_is_listed(user: Settings, site: Path) -> None:
    replaced = signed_disk("2021.05-1", payload=bytes(512))
    first = provide(user, named_release(user, "4.5.0.1"))
    for content in (replaced, NEW):
        publish(site, SYSTEMS, {"2021.05-1": content})
        release = Release(system="4.5.0.1", bootloader="2021.05-1", flavour="v4prod")
        wanted = hashlib.sha256(content).hexdigest()
        recorded = structs.replace(release, image_sha256=wanted)
        assert provide(user, recorded).read_bytes() == content
        assert {line.release.image_sha256 for line in list_releases(user)} == {wanted}
    assert first.read_bytes() == NEW


def machine_with(settings: Settings, image: Path) -> None:
    folder = settings.machines / "abcdefgh1234"
    folder.mkdir(parents=True)
    release = Release(system="4.5.0.1")
    save_spec(
        MachineSpec(
            id=folder.name, entry="e", release=release, folder=folder, image=image, context_iso=folder / "c"
        )
    )


def test_what_an_entry_or_a_machine_needs_is_not_removed(user: Settings, tmp_path: Path, home: Path) -> None:
    entry = entry_in(user, tmp_path, "4.5.0.1")
    path = provide(user, named_release(user, "4.5.0.1"))
    old = provide(user, named_release(user, "4.5.0.1@2020.07-1"))
    machine_with(user, old)
    with pytest.raises(ReleaseNeeded, match=f"entry {entry.id}"):
        keeping.remove(user, "2021.05-1")
    with pytest.raises(ReleaseNeeded, match="machine abcdefgh1234"):
        keeping.remove(user, "2020.07-1/v4prod")
    assert path.exists()
    assert old.exists()
    with pytest.raises(NotFound, match="itself can be removed"):
        keeping.remove(user, "2018.06-1")
    copy = home / "Downloads" / "copy"
    shutil.copy(path, copy)
    assert keeping.remove(user, path.parent.name[:12]) == [path], "another file serves the entry as well"
    with pytest.raises(NotFound):
        keeping.remove(user, str(copy))
    watch = Stopwatch(SILENT)
    assert keeping.remove(user, "2020.07-1", force=True, progress=watch) == [old]
    assert any("abcdefgh1234" in note for note in watch.notes)
    assert list(user.releases.iterdir()) == []
    assert copy.exists()


def test_what_entries_need_must_be_known(user: Settings, tmp_path: Path) -> None:
    entry_in(user, tmp_path, "4.5.0.1")
    path = provide(user, named_release(user, "4.5.0.1"))
    locked_out = user.using(logbook_password="wrong")
    with pytest.raises(ReleaseNeeded, match="not known"):
        keeping.remove(locked_out, "2021.05-1")
    assert keeping.remove(locked_out, "2021.05-1", force=True) == [path]


def test_what_lies_in_the_bin_needs_its_image(user: Settings, tmp_path: Path) -> None:
    entry = entry_in(user, tmp_path, "4.5.0.1")
    path = provide(user, named_release(user, "4.5.0.1"))
    forget(user, [entry.id])
    with pytest.raises(ReleaseNeeded, match=f"entry {entry.id} in the bin"):
        keeping.remove(user, "2021.05-1")
    assert path.exists()
    empty_bin(user)
    assert keeping.remove(user, "2021.05-1") == [path]


def test_entries_of_other_logbooks_need_their_image(user: Settings, tmp_path: Path) -> None:
    places = {"group": str(tmp_path / "group")}
    named = user.using(logbooks=places)
    entry = entry_in(named.using(logbook="group"), tmp_path, "4.5.0.1")
    path = provide(named, named_release(named, "4.5.0.1"))
    with pytest.raises(ReleaseNeeded, match=f"entry {entry.id} of logbook group"):
        keeping.remove(named, "2021.05-1")
    # A password that is given is that of the logbook in use.
    with pytest.raises(ReleaseNeeded, match=f"entry {entry.id} of logbook group"):
        keeping.remove(named.using(logbook_password="of the one in use"), "2021.05-1")

    away = tmp_path / "unplugged"
    (tmp_path / "group").rename(away)
    with pytest.raises(ReleaseNeeded, match=rf"the logbook group \({places['group']}\) .* not there now"):
        keeping.remove(named, "2021.05-1")
    away.rename(tmp_path / "group")
    named.using(logbook="group").password_file().write_text("wrong")
    with pytest.raises(ReleaseNeeded, match=rf"not known, as the logbook group \({places['group']}\) cannot"):
        keeping.remove(named, "2021.05-1")
    assert path.exists()
    assert keeping.remove(named, "2021.05-1", force=True) == [path]


def test_a_logbook_that_is_not_there_may_need_an_image(user: Settings, tmp_path: Path) -> None:
    """Which its name among the settings, or a password for it, tells from one that was never made."""
    path = provide(user, named_release(user, "4.5.0.1"))
    away = str(tmp_path / "not mounted")
    with pytest.raises(ReleaseNeeded, match=r"the logbook group .* not there now"):
        keeping.remove(user.using(logbooks={"group": away}), "2021.05-1")
    used = user.using(logbook=away)
    used.password_file().parent.mkdir(parents=True, exist_ok=True)
    used.password_file().write_text("of a colleague")
    with pytest.raises(ReleaseNeeded, match="not there now"):
        keeping.remove(used, "2021.05-1")
    assert path.exists()
    assert keeping.remove(used, "2021.05-1", force=True) == [path]


def test_a_logbook_that_can_be_none_is_named_and_can_be_passed_over(user: Settings) -> None:
    path = provide(user, named_release(user, "4.5.0.1"))
    wrong = user.using(logbooks={"group": "s3:https://me:HUSH@host/bucket"})
    with pytest.raises(
        ReleaseNeeded, match=r"the logbook group \(s3:https://\*\*\*@host/bucket\)"
    ) as refusal:
        keeping.remove(wrong, "2021.05-1")
    assert "HUSH" not in str(refusal.value)
    assert keeping.remove(wrong, "2021.05-1", force=True) == [path]


CLOUD = b"an ordinary cloud image" * 5000
CLOUD_SHA = hashlib.sha256(CLOUD).hexdigest()


def test_a_cloud_image_is_added_fetched_and_removed(user: Settings, site: Path, url: str) -> None:
    (site / "alma.qcow2").write_bytes(CLOUD)
    added.add(user, "almalinux-9", f"{url}/alma.qcow2", CLOUD_SHA.upper(), "AlmaLinux 9.4")
    line = next(line for line in list_releases(user) if line.name)
    assert (line.name, line.state, line.what) == ("almalinux-9", "downloadable", "AlmaLinux 9.4")
    image = added.find_added(user, "almalinux-9")
    assert image is not None
    path = added.provide_added(user, image)
    assert path.read_bytes() == CLOUD
    assert next(line for line in list_releases(user) if line.name).path == str(path)
    path.write_bytes(b"changed")
    assert added.provide_added(user, image).read_bytes() == CLOUD
    with pytest.raises(WouldOverwrite):
        added.add(user, "almalinux-9", f"{url}/alma.qcow2", CLOUD_SHA)
    release = named_release(user, "almalinux-9")
    assert release == Release(system="almalinux-9", image_sha256=CLOUD_SHA)
    assert (release.is_cloud, release.label, release.tag) == (True, "almalinux-9", "")
    assert keeping.remove(user, "almalinux-9") == [path]
    assert added.added_images(user) == []


def test_a_set_up_is_kept_with_its_image(user: Settings, tmp_path: Path) -> None:
    image, script = tmp_path / "debian.raw", tmp_path / "setup.sh"
    image.write_bytes(CLOUD)
    for text in (b"pip install jupyterlab\n", b"#!/bin/sh\r\n", b"#!/bin/sh\n\xff", b"#!/bin/sh\n" * 30_000):
        script.write_bytes(text)
        with pytest.raises(Usage, match=r"setup\.sh"):
            added.read_setup(script)
    with pytest.raises(Usage, match="nothing"):
        added.read_setup(tmp_path / "nothing")
    script.write_text("#!/bin/sh\npip install jupyterlab\n")
    text = added.read_setup(script)
    added.add(user, "debian", str(image), CLOUD_SHA)
    for wanted in (text, f"{text}exit 0\n"):
        added.add(user, "debian", str(image), CLOUD_SHA, setup=wanted)
        assert [each.setup for each in added.added_images(user)] == [wanted]
    image.write_bytes(CLOUD + b"!")
    with pytest.raises(WouldOverwrite):
        added.add(user, "debian", str(image), hashlib.sha256(CLOUD + b"!").hexdigest(), setup=text)
    image.write_bytes(CLOUD)
    added.add(user, "debian", str(image), CLOUD_SHA, setup=text)
    release = named_release(user, "debian")
    assert added.setup_of(user, release) == text
    assert added.setup_of(user, Release(system="debian", image_sha256="0" * 64)) == ""
    assert added.setup_of(user, Release(system="4.5.0.1")) == ""


def test_the_disk_of_a_cloud_image_is_taken_out_once_and_goes_with_it(user: Settings, tmp_path: Path) -> None:
    plain, file = tmp_path / "plain.raw", tmp_path / "debian.qcow2"
    plain.write_bytes(b"D" * 510 + b"\x55\xaa" + b"D" * ((1 << 20) - 512))
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", "-f", "raw", plain, file], check=True)
    added.add(user, "debian", str(file), hashlib.sha256(file.read_bytes()).hexdigest())
    release = named_release(user, "debian")
    disk = provide(user, release)
    assert disk.read_bytes() == plain.read_bytes()
    assert (provide(user, release), disk.stat().st_ino) == (disk, disk.stat().st_ino)
    with pytest.raises(ReleaseNotFound, match="was added"):
        provide(user, Release(system="debian", image_sha256="0" * 64))
    assert all(not line.release.is_cloud or line.name for line in list_releases(user))
    flip_a_byte(disk)
    watch = Stopwatch(SILENT)
    assert provide(user, release, watch).read_bytes() == plain.read_bytes(), "taken out again"
    assert any("not what was taken out" in note for note in watch.notes)
    (disk.parent / f"{disk.name}.sha256").unlink()
    inode = disk.stat().st_ino
    watch = Stopwatch(SILENT)
    assert provide(user, release, watch).stat().st_ino != inode, "nothing says what it must be"
    assert not any("is not used" in note for note in watch.notes), "nor that it was changed"
    assert keeping.remove(user, "debian") == [disk]
    assert not disk.parent.exists()
    assert file.exists()


@pytest.mark.parametrize("content", [b"", b"<html>Log in</html>", b"D" * 4096], ids=["empty", "page", "text"])
def test_what_no_machine_boots_from_is_refused_before_there_is_one(
    user: Settings, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "debian.raw"
    file.write_bytes(content)
    added.add(user, "debian", str(file), hashlib.sha256(content).hexdigest())
    with pytest.raises(Foreign, match=r"debian\.raw is no disk that a machine could boot from"):
        provide(user, named_release(user, "debian"))


def test_a_cloud_image_stays_while_an_entry_needs_it(user: Settings, tmp_path: Path, dimuon: Path) -> None:
    file = tmp_path / "debian.raw"
    file.write_bytes(CLOUD)
    added.add(user, "debian", str(file), CLOUD_SHA)
    entry = capture(user, dimuon, notebook="dimuon.ipynb", release="debian")
    assert entry.environment.release == Release(system="debian", image_sha256=CLOUD_SHA)
    with pytest.raises(ReleaseNeeded, match=entry.id):
        keeping.remove(user, "debian")
    assert keeping.remove(user, "debian", force=True) == []
    assert added.added_images(user) == []


def test_a_cloud_image_on_this_computer_stays_the_users(user: Settings, tmp_path: Path) -> None:
    file = tmp_path / "debian.raw"
    file.write_bytes(CLOUD)
    with pytest.raises(DigestMismatch):
        added.add(user, "debian", str(file), "0" * 64)
    image = added.add(user, "debian", str(file), CLOUD_SHA)
    assert added.provide_added(user, image) == file
    file.write_bytes(CLOUD + b"!")
    with pytest.raises(DigestMismatch):
        added.provide_added(user, image)
    assert next(line for line in list_releases(user) if line.name).state == "gone"
    assert keeping.remove(user, "debian") == []
    assert file.exists()


@pytest.mark.parametrize(
    ("name", "url", "sha256"),
    [
        ("../evil", "https://a/b", "0" * 64),
        ("cernvm-4", "https://a/b", "0" * 64),
        ("a", "ftp://a/b", "0" * 64),
        ("a", "/no/such/file", "0" * 64),
        ("a", "https://a/b", "0" * 63),
    ],
)
def test_an_image_that_cannot_be_one_is_not_added(user: Settings, name: str, url: str, sha256: str) -> None:
    with pytest.raises(Usage):
        added.add(user, name, url, sha256)
    assert added.added_images(user) == []


def test_the_name_of_a_file_on_the_web_cannot_lead_out(user: Settings) -> None:
    image = added.AddedImage(name="a", url="https://h/x/..%2f..%2fetc%2fpasswd", sha256=CLOUD_SHA)
    assert added.file_name(image) == "a.img"
    assert added.file_name(added.AddedImage(name="a", url="https://h/x/b.qcow2?y=1", sha256="")) == "b.qcow2"


@pytest.fixture
def vml(user: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("VML_DATA", str(user.data))
    monkeypatch.setenv("VML_CONFIG", str(user.config))
    monkeypatch.setenv("VML_RELEASE_URLS", user.release_urls[0])

    def run(*words: str) -> Any:
        status = main(words)
        told = capsys.readouterr()
        return json.loads(told.out) if "--json" in words and told.out else (status, told.out, told.err)

    return run


def test_the_command_line(vml: Any, user: Settings, site: Path, url: str) -> None:
    told = vml("releases", "--json")
    assert [line["state"] for line in told["releases"]] == ["downloadable"] * 2
    assert told["images"] == []
    path = vml("fetch", "4.5.0.1", "--json")["path"]
    assert Path(path).read_bytes() == NEW
    told = vml("releases", "--json")
    assert told["images"][0]["image"]["path"] == path
    status, out, err = vml("releases")
    assert status == 0
    assert "2021-01-27" in out
    assert "not looked at yet" in out
    (site / "alma.qcow2").write_bytes(CLOUD)
    assert vml("releases", "add", "alma", f"{url}/alma.qcow2", "--sha256", CLOUD_SHA)[0] == 0
    assert Path(vml("fetch", "alma", "--json")["path"]).read_bytes() == CLOUD
    again = ("releases", "add", "alma", f"{url}/alma.qcow2", "--sha256", CLOUD_SHA)
    assert vml(*again, "--with-jupyter", "--json")["setup"] == jupyter_setup()
    (site / "own.sh").write_text("#!/bin/sh\n")
    assert vml(*again, "--setup", str(site / "own.sh"), "--json")["setup"] == "#!/bin/sh\n"
    with pytest.raises(SystemExit, match="2"):
        vml(*again, "--setup", str(site / "own.sh"), "--with-jupyter")
    assert vml("releases", "remove", "2021.05-1", "--json")["removed"] == [path]
    assert vml("releases", "remove", "2021.05-1", "--json")["error"]["code"] == "not-found"
    status, out, err = vml("fetch", "4.9.9.9")
    assert status == 1
    assert "known: 4.5.0.1, 4.6.0.0" in err


def test_a_release_that_is_nowhere(user: Settings) -> None:
    alone = user.using(release_urls=(GONE, f"{GONE}/"))
    with pytest.raises(RepositoryUnreachable, match=r"127\.0\.0\.1:9"):
        provide(alone, Release(system="4.5.0.1", bootloader="2021.05-1"))
