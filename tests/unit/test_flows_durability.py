"""Whether what an entry needs is still there, who is asked and when, and a restore that stops in time."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from release_images import publish, publish_revisions, signed_disk

from vml_jupyter.cli.main import main
from vml_jupyter.errors import DigestMismatch, PinGone, ReleaseNotFound, ReleaseUnknown
from vml_jupyter.flows import added
from vml_jupyter.flows import restore as restoring
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.chosen import chosen
from vml_jupyter.flows.differences import differences
from vml_jupyter.flows.durability import Durability, durabilities, durability, require
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.export import export
from vml_jupyter.flows.launches import launcher
from vml_jupyter.flows.needs import ImageNeeds
from vml_jupyter.flows.provide import provide
from vml_jupyter.flows.releases import named_release
from vml_jupyter.flows.settings import RepositorySource, Settings
from vml_jupyter.model import (
    Difference,
    Entry,
    Environment,
    Machine,
    Mount,
    Pin,
    Release,
    pins_of,
    system_pin,
)
from vml_jupyter.progress import Stopwatch
from vml_jupyter.release import ask, ask_pins, mirror, reach
from vml_jupyter.release.mirror import served

IMAGE = signed_disk("2021.05-1")
OLD, NEW, LOST = "aa" * 20, "bb" * 20, "cc" * 20
SYSTEMS = {"3.7.2.0": 1500000000, "4.4.0.0": 1600000000, "4.5.0.1": 1611705600, "4.6.0.0": 1654000000}
RELEASE = Release(system="4.5.0.1", bootloader="2021.05-1", flavour="v4prod")
TAGGED, ANOTHER = "ab" * 20, "cd" * 20  # what the tags of the history name, and something else
GONE = "http://127.0.0.1:9"
MOVED = "its tag now names another revision"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    publish(tmp_path / "site", SYSTEMS, {"2021.05-1": IMAGE})
    publish_revisions(tmp_path / "site", "sft.cern.ch", OLD, NEW)
    return tmp_path / "site"


@pytest.fixture
def user(
    settings: Settings, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    monkeypatch.setenv("HOME", str(tmp_path))
    reach.forget()
    with served(site) as url:
        yield settings.using(release_urls=(url,))
    reach.forget()


Take = Callable[..., Entry]


@pytest.fixture
def take(user: Settings, tmp_path: Path) -> Take:
    """Take an entry that records a release and these repositories."""
    area = tmp_path / "area"
    area.mkdir()

    def take(release: Release | None = RELEASE, **revisions: str) -> Entry:
        mounts = tuple(
            Mount(path=f"/cvmfs/{name}.cern.ch", fqrn=f"{name}.cern.ch", root_hash=root_hash, revision=7)
            for name, root_hash in revisions.items()
        )
        taken = capture(user, area)
        environment = Environment(release=release, cvmfs=mounts)
        with opened(user) as logbook:
            return logbook.edit(msgspec.structs.replace(taken, environment=environment))

    return take


def states(known: Durability) -> dict[str, str]:
    return {need.name: need.state for need in known.needs}


def nobody(*_: object, **__: object) -> None:
    raise AssertionError("the network was asked")


def test_everything_is_there(user: Settings, take: Take) -> None:
    entry = take(sft=OLD)
    known = durability(user, entry)
    assert known.state == "there"
    assert states(known) == {"2021.05-1": "downloadable", "4.5.0.1": "there", "sft.cern.ch": "there"}
    assert known.choices == ()
    assert all(need.checked for need in known.needs if need.kind != "image")
    provide(user, RELEASE)
    assert states(durability(user, entry))["2021.05-1"] == "here"


def test_a_revision_that_was_collected_is_gone(user: Settings, take: Take) -> None:
    known = durability(user, take(sft=LOST))
    assert (known.state, states(known)["sft.cern.ch"]) == ("gone", "gone")
    assert known.choices == (
        {"option": "without-pin", "value": "sft.cern.ch", "label": "sft.cern.ch, newest revision"},
    )


def test_a_repository_that_no_server_carries_is_unknown(user: Settings, take: Take) -> None:
    known = durability(user, take(private=OLD))
    assert known.state == "unknown"
    assert known.needs[-1].reason == "none of the servers carries private.cern.ch"


def test_a_tag_that_left_the_history_is_gone_and_the_nearest_are_offered(
    user: Settings, take: Take, site: Path
) -> None:
    entry = take()
    publish(site, {system: at for system, at in SYSTEMS.items() if system != "4.5.0.1"}, {})
    known = durability(user, entry)
    assert states(known) == {"2021.05-1": "downloadable", "4.5.0.1": "gone"}
    assert [choice["value"] for choice in known.choices] == ["4.6.0.0", "4.4.0.0"], "3.7 needs another image"
    assert {choice["option"] for choice in known.choices} == {"release"}


def of(root_hash: str) -> Release:
    return msgspec.structs.replace(RELEASE, root_hash=root_hash)


def test_a_tag_that_names_another_revision_now_is_gone(user: Settings, take: Take) -> None:
    entry = take(of(ANOTHER))
    known = durability(user, entry)
    assert known.state == "gone"
    assert [(need.state, need.reason) for need in known.needs if need.kind == "system"] == [("gone", MOVED)]
    assert known.choices[0] == {
        "option": "release",
        "value": "4.5.0.1",
        "label": "CernVM 4.5.0.1, as it is published now",
    }
    assert [choice["value"] for choice in known.choices] == ["4.5.0.1", "4.6.0.0", "4.4.0.0"]
    assert durability(user, entry, asking=False) == known, "and remembered"
    with pytest.raises(PinGone, match=rf"needs CernVM 4\.5\.0\.1, and {MOVED}") as refused:
        require(user, entry, of(ANOTHER), ())
    assert refused.value.choices == known.choices
    assert durability(user, take(of(TAGGED))).state == "there", "the answer is that of the recorded root hash"
    assert durability(user, take(RELEASE)).state == "there", "nobody recorded which revision it was"
    assert durability(user, take(of("no root hash"))).state == "there"


def test_a_moved_tag_is_gone_though_a_server_is_silent(user: Settings, take: Take) -> None:
    both = user.using(
        sources=(RepositorySource(url=user.release_urls[0], systems=[GONE, *user.release_urls]),)
    )
    assert states(durability(both, take(of(ANOTHER))))["4.5.0.1"] == "gone"
    assert states(durability(both, take(of(TAGGED))))["4.5.0.1"] == "there"


def test_a_restore_as_it_is_published_now_goes_on_and_says_so(
    user: Settings, take: Take, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded = named_release(user, "4.5.0.1")  # which leaves a list with the tag as it was
    assert recorded.root_hash == TAGGED
    entry = take(recorded)
    publish(site, SYSTEMS, {}, root_hash=ANOTHER)
    monkeypatch.setattr(restoring, "probe_accelerator", nobody)
    with pytest.raises(PinGone, match=MOVED) as refused:
        restoring.restore(user, entry.id)
    assert refused.value.choices[0]["value"] == "4.5.0.1"
    with pytest.raises(AssertionError, match="asked"):  # it went on, to the accelerator
        restoring.restore(user, entry.id, release="4.5.0.1")
    now = named_release(user, "4.5.0.1")
    found = differences(entry.environment, now, ())
    assert found == (Difference(what="root_hash", recorded=TAGGED, here=ANOTHER),)
    machine = Machine(id="m", entry="e", release=now, state="running", differences=found)
    assert machine.label == "CernVM 4.5.0.1; root hash cdcdcdcdcdcd instead of abababababab"
    assert differences(entry.environment, named_release(user, "4.6.0.0"), ()) == (
        Difference(what="release", recorded="CernVM 4.5.0.1", here="CernVM 4.6.0.0"),
    ), "of another version it is no news that it is another revision"


def test_the_pin_of_a_system_says_what_its_tag_must_name() -> None:
    assert system_pin(of(ANOTHER)) == Pin(
        fqrn="cernvm-prod.cern.ch", tag="cernvm-system-4.5.0.1", expected=ANOTHER
    )
    assert system_pin(of("$(reboot)")) == Pin(fqrn="cernvm-prod.cern.ch", tag="cernvm-system-4.5.0.1")
    with pytest.raises(ValueError, match="no CernVM-FS repository"):
        Pin(fqrn="cernvm-prod.cern.ch", tag="cernvm-system-4.5.0.1", expected="$(reboot)")


UNTOLD = Mount(path="/cvmfs/lhcb.cern.ch", unknown="did not answer within 2 s")


def test_a_mount_whose_revision_was_not_recorded_is_never_said_to_be_there(
    user: Settings, take: Take, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = take(sft=OLD)
    environment = msgspec.structs.replace(entry.environment, cvmfs=(*entry.environment.cvmfs, UNTOLD, UNTOLD))
    with opened(user) as logbook:
        entry = logbook.edit(msgspec.structs.replace(entry, environment=environment))
    known = durability(user, entry)
    assert (known.state, known.choices) == ("unknown", ())
    assert states(known) == {
        "2021.05-1": "downloadable",
        "4.5.0.1": "there",
        "sft.cern.ch": "there",
        "/cvmfs/lhcb.cern.ch": "unknown",
    }
    assert (known.needs[-1].kind, known.needs[-1].reason) == ("repository", "its revision was not recorded")
    assert require(user, entry, RELEASE, pins_of(environment)), "and a restore says it, too"

    found = differences(environment, RELEASE, pins_of(environment))
    assert found == (Difference(what="/cvmfs/lhcb.cern.ch", recorded="not recorded", here="newest"),)
    machine = Machine(id="m", entry="e", release=RELEASE, state="running", differences=found)
    assert machine.label == "CernVM 4.5.0.1; /cvmfs/lhcb.cern.ch newest (not recorded)"

    for name in ("DATA", "CONFIG"):
        monkeypatch.setenv(f"VML_{name}", str(getattr(user, name.lower())))
    monkeypatch.setenv("VML_RELEASE_URLS", " ".join(user.release_urls))
    assert main(["show", entry.id]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "/cvmfs/lhcb.cern.ch unknown its revision was not recorded" in shown


def test_a_mounts_name_cannot_reach_the_terminal() -> None:
    evil = Difference(what="/cvmfs/\x1b[2Ja", recorded="not recorded", here="newest")
    assert evil.label == "/cvmfs/\N{REPLACEMENT CHARACTER}[2Ja newest (not recorded)"


def test_a_bootloader_that_was_left_open_is_told_and_kept(user: Settings, take: Take) -> None:
    open_ = msgspec.structs.replace(RELEASE, bootloader="")
    entry = take(open_)
    assert durability(user, entry).needs[0].label == "µCernVM (not recorded: the newest)"
    watch = Stopwatch()
    made_of = chosen(user, entry, None, (), watch)
    assert made_of.image.read_bytes() == IMAGE
    assert made_of.release == RELEASE, "the machine records what it boots by"
    assert [note for note in watch.notes if "not recorded" in note and "2021.05-1" in note] != []
    assert differences(entry.environment, made_of.release, made_of.pins) == (
        Difference(what="bootloader", recorded="not recorded", here="2021.05-1"),
    )
    watch = Stopwatch()
    assert chosen(user, take(RELEASE), None, (), watch).release == RELEASE
    assert [note for note in watch.notes if "not recorded" in note] == []


@pytest.mark.parametrize("lost", ["revision", "tag"])
def test_nothing_that_is_gone_gets_into_a_launcher(
    user: Settings, take: Take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    entry = take(sft=LOST) if lost == "revision" else take(of(ANOTHER))
    with pytest.raises(PinGone) as restored:
        restoring.restore(user, entry.id)
    with pytest.raises(PinGone) as refused:
        launcher(user, entry.id, ("http://127.0.0.1:8888/",))
    assert (refused.value.message, refused.value.choices) == (restored.value.message, restored.value.choices)
    assert refused.value.choices != ()
    file = tmp_path / "export.vml"
    monkeypatch.setattr("vml_jupyter.flows.provide.provide", nobody)
    with pytest.raises(PinGone) as exported:
        export(user, [entry.id], file, with_release=True)
    assert exported.value.choices == refused.value.choices
    assert not file.exists()
    export(user, [entry.id], file)  # without its machine


def test_an_image_that_nobody_has_is_gone(user: Settings, take: Take, site: Path) -> None:
    entry = take()
    assert durability(user, entry).state == "there"
    shutil.rmtree(next(site.glob("releases/ucernvm-images*")))
    known = durability(user, entry)
    assert states(known) == {"2021.05-1": "gone", "4.5.0.1": "there"}
    alone = user.using(release_urls=(*user.release_urls, GONE))
    assert states(durability(alone, entry))["2021.05-1"] == "unknown", "not everybody could be asked"


def test_an_image_of_which_not_every_mirror_tells_is_not_gone(user: Settings, take: Take, site: Path) -> None:
    entry = take()
    shutil.rmtree(next(site.glob("releases/ucernvm-images*")))
    source = RepositorySource(url=user.release_urls[0], mirrors=[GONE], systems=[user.release_urls[0]])
    assert states(durability(user.using(sources=(source,)), entry))["2021.05-1"] == "unknown"


def test_an_image_that_one_mirror_lost_is_to_be_had(
    user: Settings, take: Take, site: Path, tmp_path: Path
) -> None:
    entry = take()
    shutil.copytree(site, tmp_path / "other")
    with served(tmp_path / "other") as other:
        both = user.using(sources=(RepositorySource(url=user.release_urls[0], mirrors=[other]),))
        assert durability(both, entry).needs[0].where.startswith(user.release_urls[0])
        shutil.rmtree(next(site.glob("releases/ucernvm-images*")))
        image = durability(both, entry).needs[0]
        assert (image.state, image.where.startswith(other)) == ("downloadable", True)
        assert provide(both, RELEASE).read_bytes() == IMAGE


def test_an_image_that_was_replaced_is_gone(
    user: Settings, take: Take, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha256 = hashlib.sha256(IMAGE).hexdigest()
    entry = take(msgspec.structs.replace(RELEASE, image_sha256=sha256))
    assert durability(user, entry).state == "there"
    publish(site, SYSTEMS, {"2021.05-1": signed_disk("2021.05-1", payload=bytes(512))})
    known = durability(user, entry)
    assert (known.state, states(known)["2021.05-1"]) == ("gone", "gone")
    assert "another file than the recorded one" in known.needs[0].reason
    assert states(durability(user, take()))["2021.05-1"] == "downloadable", "where none was recorded"
    monkeypatch.setattr(restoring, "probe_accelerator", nobody)
    with pytest.raises(DigestMismatch, match="when the entry was written") as refused:
        restoring.restore(user, entry.id)
    assert refused.value.choices == known.choices != ()


def test_an_image_that_one_mirror_replaced_another_still_has(
    user: Settings, take: Take, site: Path, tmp_path: Path
) -> None:
    entry = take(msgspec.structs.replace(RELEASE, image_sha256=hashlib.sha256(IMAGE).hexdigest()))
    shutil.copytree(site, tmp_path / "other")
    publish(site, SYSTEMS, {"2021.05-1": signed_disk("2021.05-1", payload=bytes(512))})
    with served(tmp_path / "other") as other:
        both = user.using(sources=(RepositorySource(url=user.release_urls[0], mirrors=[other]),))
        image = durability(both, entry).needs[0]
        assert (image.state, image.where.startswith(other)) == ("downloadable", True)
        assert entry.environment.release is not None
        assert provide(both, entry.environment.release).read_bytes() == IMAGE


@pytest.fixture
def questions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What servers of this process were asked for."""
    asked: list[str] = []
    monkeypatch.setattr(mirror._Handler, "log_request", lambda self, *_: asked.append(self.path))
    return asked


def test_systems_of_one_image_ask_for_it_once_and_for_no_catalogue(
    user: Settings, questions: list[str]
) -> None:
    releases = [msgspec.structs.replace(RELEASE, system=system) for system in ("4.5.0.1", "4.6.0.0")]
    assert ImageNeeds(user, releases, asking=True).of(releases[0]).state == "downloadable"
    questions.clear()
    needs = ImageNeeds(user, releases, asking=True)
    assert [needs.of(release).state for release in releases] == ["downloadable"] * 2
    (question,) = questions
    assert "v4prod" in question


def test_what_nobody_has_is_asked_for_only_where_it_is_wanted(
    user: Settings, site: Path, questions: list[str]
) -> None:
    for bootloader in ("2020.01-1", "2019.02-1"):
        (site / f"releases/ucernvm-images.{bootloader}.cernvm.x86_64").mkdir()
    line = user.repositories()[0]
    ask(line, user.cache)
    assert any("2020.01-1" in path for path in questions)
    questions.clear()
    told = ask(line, user.cache, wanted=[msgspec.structs.replace(RELEASE, bootloader="2019.02-1")])
    assert told is not None
    assert any("2019.02-1" in path for path in questions), "it may be there by now"
    assert not any("2020.01-1" in path for path in questions)
    assert {name.split()[0] for name in told.absent} >= {"2020.01-1", "2019.02-1"}


def test_an_image_in_a_flavour_of_its_own(user: Settings, take: Take, site: Path) -> None:
    testing = msgspec.structs.replace(RELEASE, flavour="v4testing")
    assert states(durability(user, take(testing)))["2021.05-1"] == "gone", "v4prod is another"
    usual = next(site.glob("releases/ucernvm-images*/*.hdd"))
    for suffix in ("", ".sha256"):
        file = usual.with_name(f"{usual.name}{suffix}")
        shutil.copy(file, file.with_name(file.name.replace("v4prod", "v4testing")))
    image = durability(user, take(testing)).needs[0]
    assert (image.state, "v4testing" in image.where) == ("downloadable", True)
    assert "v4prod" in durability(user, take()).needs[0].where


def test_an_entry_without_a_release_says_that_one_must_be_chosen(user: Settings, take: Take) -> None:
    named_release(user, "4.5.0.1")
    known = durability(user, take(None))
    assert (known.state, known.needs) == ("unnamed", ())
    assert [choice["value"] for choice in known.choices] == ["4.6.0.0", "4.5.0.1", "4.4.0.0"]


def test_a_cernvm_5_is_in_no_list(user: Settings, take: Take) -> None:
    entry = take(Release(system="5-1.0.1", flavour="five"))
    known = durability(user, entry)
    assert states(known) == {"five": "gone", "5-1.0.1": "unknown"}, "no µCernVM boots it"
    assert known.needs[0].label == "image of CernVM 5-1.0.1"
    assert durability(user, entry, asking=False).needs[0].state == "unknown", "nor one that is remembered"


def test_a_cloud_image_is_its_own_system(user: Settings, take: Take, tmp_path: Path) -> None:
    file = tmp_path / "debian.raw"
    file.write_bytes(b"an ordinary cloud image")
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    entry = take(Release(system="debian-12", image_sha256=sha256), sft=OLD)
    assert states(durability(user, entry)) == {"debian-12": "gone", "sft.cern.ch": "there"}
    added.add(user, "debian-12", str(file), sha256)
    known = durability(user, entry)
    assert (known.state, states(known)["debian-12"]) == ("there", "here")


def test_what_was_answered_is_not_asked_again_within_the_hour(
    user: Settings, take: Take, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = take(sft=OLD)
    provide(user, RELEASE)
    assert durability(user, entry, asking=False).state == "unknown"
    assert durability(user, entry, asking=True).state == "there"
    shutil.rmtree(site / "cvmfs/sft.cern.ch/data")
    with monkeypatch.context() as patch:
        patch.setattr(reach, "answering", nobody)
        patch.setattr("vml_jupyter.release.web.get", nobody)
        assert durability(user, entry).state == "there"
        assert durability(user, entry, asking=False).state == "there"
    assert durability(user, entry, anew=True).state == "gone"
    later = time.time() + 3601
    publish_revisions(site, "sft.cern.ch", OLD)
    monkeypatch.setattr("vml_jupyter.release.pins.time.time", lambda: later)
    assert durability(user, entry).state == "there"


def test_without_network_what_was_known_is_said(
    user: Settings, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = take(sft=OLD)
    provide(user, RELEASE)
    durability(user, entry)
    monkeypatch.setattr(reach, "answering", lambda urls: [])
    known = durability(user, entry, anew=True)
    assert known.state == "unknown"
    reason = known.needs[-1].reason
    assert reason.startswith("not every server answers; it was there on 20")
    assert durability(user, entry, anew=True).needs[-1].reason == reason, "and remembered"


def test_without_network_nobody_waits_longer_than_two_seconds_in_all(
    user: Settings, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    def stuck(*_: object, **__: object) -> None:
        threading.Event().wait(6)
        raise OSError

    entries = [take(sft=OLD, **{f"r{number}": NEW}) for number in range(4)]
    monkeypatch.setattr(reach.socket, "create_connection", stuck)
    reach.forget()
    offline = user.using(release_urls=tuple(f"http://stratum-{number}.invalid" for number in range(4)))
    began = time.monotonic()
    assert {known.state for known in durabilities(offline, entries).values()} == {"unknown"}
    assert time.monotonic() - began < 5, "two seconds for all, not two for each"
    with monkeypatch.context() as patch:
        patch.setattr(reach, "_ask", nobody)
        pins = [Pin(fqrn="sft.cern.ch", root_hash=OLD)]
        assert ask_pins(pins, offline.repositories(), offline.cache)[pins[0]].state == "unknown"
    reach.forget()


def test_a_log_in_page_is_no_revision(user: Settings, site: Path) -> None:
    pins = [Pin(fqrn="sft.cern.ch", root_hash=LOST), Pin(fqrn="sft.cern.ch", tag="trunk")]
    page = site / "cvmfs/sft.cern.ch/data/cc" / f"{LOST[2:]}C" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("<html>log in</html>")
    found = ask_pins(pins, user.repositories())
    assert [found[pin].state for pin in pins] == ["unknown", "unknown"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 3}', b'{"a": {"state": 7}}', b"\xff"])
def test_a_damaged_memory_is_none(user: Settings, content: bytes) -> None:
    user.cache.mkdir(parents=True, exist_ok=True)
    (user.cache / "pins.json").write_bytes(content)
    pin = Pin(fqrn="sft.cern.ch", root_hash=OLD)
    assert ask_pins([pin], user.repositories(), user.cache)[pin].state == "there"


def test_another_server_may_have_what_one_has_not(user: Settings, take: Take, tmp_path: Path) -> None:
    entry = take(sft=LOST)
    (tmp_path / "other").mkdir()
    publish_revisions(tmp_path / "other", "sft.cern.ch", LOST)
    with served(tmp_path / "other") as other:
        urls = user.release_urls
        source = RepositorySource(url=urls[0], systems=[urls[0], other])
        both = user.using(sources=(source,))
        assert states(durability(both, entry)) == {
            "2021.05-1": "downloadable",
            "4.5.0.1": "there",
            "sft.cern.ch": "there",
        }


def test_a_restore_stops_before_a_machine_is_made(
    user: Settings, take: Take, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = take(sft=LOST, other=OLD)
    monkeypatch.setattr(restoring, "probe_accelerator", nobody)
    with pytest.raises(PinGone, match=r"needs sft\.cern\.ch, revision 7, and no server") as refused:
        restoring.restore(user, entry.id)
    assert "--without-pin sft.cern.ch" in refused.value.hint
    assert refused.value.http_status == 409
    assert not user.machines.exists()
    with pytest.raises(AssertionError, match="asked"):  # it went on, to the accelerator
        restoring.restore(user, entry.id, without_pins=["sft.cern.ch"])
    with pytest.raises(AssertionError, match="asked"):
        restoring.restore(user, entry.id, without_pins=["all"])


def test_a_restore_of_a_system_that_is_gone_names_others(
    user: Settings, take: Take, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = take()
    publish(site, {system: at for system, at in SYSTEMS.items() if system != "4.5.0.1"}, {})
    monkeypatch.setattr(restoring, "probe_accelerator", nobody)
    with pytest.raises(PinGone, match=r"CernVM 4\.5\.0\.1") as refused:
        restoring.restore(user, entry.id)
    assert [choice["value"] for choice in refused.value.choices] == ["4.6.0.0", "4.4.0.0"]
    with pytest.raises(AssertionError, match="asked"):
        restoring.restore(user, entry.id, release="4.6.0.0")
    with pytest.raises(ReleaseUnknown) as unknown:
        restoring.restore(user, take(None).id)
    assert len(unknown.value.choices) == 2
    with pytest.raises(ReleaseNotFound) as missing:
        restoring.restore(user, take(Release(system="4.6.0.0", bootloader="2018.06-1")).id)
    assert [choice["value"] for choice in missing.value.choices] == ["4.6.0.0", "4.4.0.0"]
    assert "started by µCernVM 2021.05-1" in missing.value.choices[0]["label"]


def test_silence_does_not_stop_a_restore(user: Settings, take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = take(sft=LOST)
    provide(user, RELEASE)
    monkeypatch.setattr(restoring, "probe_accelerator", nobody)
    with pytest.raises(AssertionError, match="asked"):
        restoring.restore(user.using(release_urls=(GONE,)), entry.id)


def test_what_a_machine_differs_in() -> None:
    sft = Pin(fqrn="sft.cern.ch", root_hash=OLD, revision=7)
    mounts = (Mount(path="/cvmfs/sft.cern.ch", root_hash=OLD, revision=7),)
    recorded = Environment(release=RELEASE, cvmfs=mounts)
    assert differences(recorded, RELEASE, (sft,)) == ()
    assert differences(Environment(cvmfs=mounts), RELEASE, (sft,)) == (), "nothing was recorded"
    other = Release(system="4.6.0.0", bootloader="2022.01-1", repository="cernvm-prod.cern.ch")
    found = differences(recorded, other, ())
    assert found == (
        Difference(what="release", recorded="CernVM 4.5.0.1", here="CernVM 4.6.0.0"),
        Difference(what="bootloader", recorded="2021.05-1", here="2022.01-1"),
        Difference(what="sft.cern.ch", recorded="revision 7", here="newest"),
    )
    machine = Machine(id="m", entry="e", release=other, state="running", differences=found)
    assert machine.label == (
        "CernVM 4.6.0.0 instead of 4.5.0.1; bootloader 2022.01-1 instead of 2021.05-1; "
        "sft.cern.ch newest instead of revision 7"
    )


def test_show_on_the_command_line(
    user: Settings, take: Take, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VML_DATA", str(user.data))
    monkeypatch.setenv("VML_CONFIG", str(user.config))
    monkeypatch.setenv("VML_RELEASE_URLS", " ".join(user.release_urls))
    entry = take(sft=LOST)

    def vml(*words: str) -> Any:
        status = main(words)
        told = capsys.readouterr()
        return json.loads(told.out) if "--json" in words else (status, told.out, told.err)

    told = vml("show", entry.id, "--json")
    assert told["id"] == entry.id
    assert told["durability"]["state"] == "gone"
    assert [need["state"] for need in told["durability"]["needs"]] == ["downloadable", "there", "gone"]
    _, text, _ = vml("show", entry.id, "--check")
    assert "sft.cern.ch, revision 7  gone" in text
    assert f"vml restore {entry.id} --without-pin sft.cern.ch" in text
    nameless = vml("show", take(None).id)[1]
    assert "must be told one" in nameless
    assert f"--release {RELEASE.system}" in nameless
    error = vml("restore", entry.id, "--json")["error"]
    assert (error["code"], error["choices"][0]["value"]) == ("pin-gone", "sft.cern.ch")
    status, _, said = vml("restore", entry.id)
    assert status == 1
    assert "--without-pin sft.cern.ch" in said
    error = vml("restore", entry.id, "--without-pin", "cms.cern.ch", "--json")["error"]
    assert error["code"] == "not-found"
