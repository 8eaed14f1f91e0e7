"""Every route: what it calls, what it replies, how its errors look."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from vml_jupyter.errors import LogbookLocked, PinGone
from vml_jupyter.flows.durability import Durability
from vml_jupyter.flows.needs import Need
from vml_jupyter.model import Difference
from vml_jupyter.server import events

from .fake_flows import NEW, FakeFlows, machine


@pytest.fixture
def notebook(jp_root_dir: Path) -> Path:
    file = jp_root_dir / "fits" / "higgs.ipynb"
    file.parent.mkdir()
    file.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    return file


async def test_entries_are_listed_without_their_packages(api: Any) -> None:
    status, body = await api("GET", "entries")
    assert status == 200
    assert [entry["id"] for entry in body["entries"]] == ["entry2", "entry1"]
    assert body["entries"][0]["environment"] == {
        "release": {"system": "4.5.0.1", "bootloader": "2021.05-1", "label": "CernVM 4.5.0.1"},
        "release_chosen": False,
        "os": "CernVM 4",
        "python": "3.9.2",
    }


@pytest.mark.parametrize("which", ["entries", "durability"])
async def test_a_list_comes_over_only_to_who_does_not_have_it(api: Any, flows: FakeFlows, which: str) -> None:
    flows.known = {"entry1": Durability(state="unnamed")}
    _, first = await api("GET", which)
    assert await api("GET", which, params={"known": first["state"]}) == (200, {"state": first["state"]})
    assert await api("GET", which, params={"known": "of another list"}) == (200, first)

    del flows.listed[0]
    flows.known = {}
    _, changed = await api("GET", which, params={"known": first["state"]})
    assert changed["state"] != first["state"]
    assert len(changed["entries"]) == len(first["entries"]) - 1


async def test_a_snapshot_is_a_job_that_captures_the_notebooks_folder(
    api: Any, ended: Any, flows: FakeFlows, vml: Any, notebook: Path
) -> None:
    status, body = await api(
        "POST",
        "snapshots",
        {
            "path": "fits/higgs.ipynb",
            "title": "Fit",
            "cell": "c4",
            "note": "n",
            "release": "4.5.1.0",
            "tags": ["x"],
        },
    )
    assert status == 202
    assert body["job"]["kind"] == "snapshot"
    job = await ended(body["job"]["id"])
    assert job["state"] == "done"
    assert (job["result"]["entry"], job["result"]["title"]) == ("entry3", "Fit")
    asked = {
        "notebook": "higgs.ipynb",
        "cell": "c4",
        "note": "n",
        "release": "4.5.1.0",
        "tags": ("x",),
        "leave_out": (),
        "automatic": False,
    }
    assert flows.calls == [("capture", notebook.parent, "Fit", asked)]
    assert "entry3" in vml.trusted


async def test_a_snapshot_of_a_folder_has_no_notebook(
    api: Any, ended: Any, flows: FakeFlows, notebook: Path
) -> None:
    _, body = await api("POST", "snapshots", {"path": "fits"})
    await ended(body["job"]["id"])
    assert flows.calls == [
        (
            "capture",
            notebook.parent,
            "",
            {
                "notebook": None,
                "cell": "",
                "note": "",
                "release": None,
                "tags": (),
                "leave_out": (),
                "automatic": False,
            },
        ),
    ]


@pytest.mark.parametrize("path", ["../etc/passwd", "fits/../../x.ipynb", "no/such.ipynb", "a\0b"])
async def test_a_path_out_of_the_root_or_to_nothing_is_refused(
    api: Any, flows: FakeFlows, notebook: Path, path: str
) -> None:
    status, body = await api("POST", "snapshots", {"path": path})
    assert (status, body["code"]) == (400, "bad-area")
    assert body["hint"]
    assert flows.calls == []


async def test_files_that_are_not_on_disk_are_refused(api: Any, jp_serverapp: Any) -> None:
    jp_serverapp.web_app.settings["contents_manager"] = object()
    status, body = await api("POST", "snapshots", {"path": "x.ipynb"})
    assert (status, body["code"]) == (400, "bad-area")


@pytest.mark.parametrize("body", ["{", '{"path": 3}', "[]", '{"title": "no path"}'])
async def test_a_body_that_cannot_be_understood_is_a_usage_error(api: Any, body: str) -> None:
    status, reply = await api("POST", "snapshots", body)
    assert (status, reply["code"]) == (400, "usage")


async def test_a_restore_from_this_computer_has_its_own_origin(
    api: Any, ended: Any, flows: FakeFlows
) -> None:
    status, body = await api("POST", "entries/entry1/restore", {"release": "4.5.1.0"})
    assert status == 202
    job = await ended(body["job"]["id"])
    assert job["result"]["machine"] == "m2"
    assert "secret" not in str(job)
    (_, entry, base_url, asked) = flows.calls[0]
    assert (entry, base_url, asked["release"], asked["origin"]) == ("entry1", "/", "4.5.1.0", "")


async def test_a_restore_from_afar_is_told_where_the_proxy_shows_it(
    api: Any, ended: Any, flows: FakeFlows, jp_base_url: str
) -> None:
    _, body = await api("POST", "entries/entry1/restore", {}, headers={"X-Forwarded-For": "192.0.2.7"})
    await ended(body["job"]["id"])
    assert flows.calls[0][2] == f"{jp_base_url}vml/machines/{{machine}}/"


async def test_a_restore_behind_an_administrators_proxy_is_told_its_address(
    api: Any, ended: Any, flows: FakeFlows, vml: Any
) -> None:
    vml.machine_address = "https://{machine}.vml.example.org/"
    _, body = await api("POST", "entries/entry1/restore", {}, headers={"X-Forwarded-For": "192.0.2.7"})
    await ended(body["job"]["id"])
    assert (flows.calls[0][2], flows.calls[0][3]["origin"]) == ("/", "https://{machine}.vml.example.org")


async def test_the_shape_of_a_machine_can_be_chosen(api: Any, ended: Any, flows: FakeFlows) -> None:
    _, body = await api("POST", "entries/entry1/restore", {"shape": {"cpus": 8}})
    await ended(body["job"]["id"])
    assert flows.calls[0][3]["shape"].cpus == 8


async def test_a_restore_that_fails_says_why_in_its_job(api: Any, ended: Any) -> None:
    _, body = await api("POST", "entries/nothing/restore", {})
    job = await ended(body["job"]["id"])
    assert (job["state"], job["error"]["code"]) == ("failed", "not-found")


async def test_a_restore_that_a_pin_stops_says_what_can_be_asked_for_instead(
    api: Any, ended: Any, flows: FakeFlows
) -> None:
    choices = ({"option": "without-pin", "value": "sft.cern.ch", "label": "sft.cern.ch, newest revision"},)
    flows.fails_with = PinGone("sft.cern.ch is gone", "Do without.", choices)
    _, body = await api("POST", "entries/entry1/restore", {})
    job = await ended(body["job"]["id"])
    assert (job["error"]["code"], job["error"]["choices"]) == ("pin-gone", list(choices))
    flows.fails_with = None
    _, body = await api("POST", "entries/entry1/restore", {"without_pins": ["sft.cern.ch"]})
    await ended(body["job"]["id"])
    assert flows.calls[-1][3]["without_pins"] == ("sft.cern.ch",)


async def test_how_it_stands_with_entries_is_told_at_once_or_after_asking(api: Any, flows: FakeFlows) -> None:
    need = Need(kind="image", name="2021.05-1", label="µCernVM 2021.05-1", state="here", where="/images/a")
    flows.known = {"entry1": Durability(state="there", needs=(need,)), "entry2": Durability(state="unnamed")}
    status, body = await api("GET", "durability")
    assert (status, set(body["entries"])) == (200, {"entry1", "entry2"})
    assert body["entries"]["entry1"]["needs"][0]["state"] == "here"
    _, body = await api("GET", "durability", params={"entry": "entry2", "asking": "1"})
    assert body["entries"] == {"entry2": {"state": "unnamed", "needs": [], "choices": []}}
    assert flows.calls == [("durabilities", "", False), ("durabilities", "entry2", True)]


async def test_a_machine_says_in_what_it_differs(api: Any, flows: FakeFlows) -> None:
    differs = Difference(what="release", recorded="CernVM 4.5.0.1", here="CernVM 4.5.1.0")
    flows.running = [machine(1, release=NEW, differences=(differs,))]
    _, body = await api("GET", "machines")
    assert body["machines"][0]["label"] == "CernVM 4.5.1.0 instead of 4.5.0.1"
    assert body["machines"][0]["differences"] == [
        {"what": "release", "recorded": "CernVM 4.5.0.1", "here": "CernVM 4.5.1.0"}
    ]


async def test_an_entry_is_forgotten(api: Any, flows: FakeFlows) -> None:
    assert (await api("DELETE", "entries/entry1"))[0] == 200
    assert [entry.id for entry in flows.listed] == ["entry2"]
    status, body = await api("DELETE", "entries/entry1")
    assert (status, body["code"]) == (404, "not-found")


async def test_a_forgotten_entry_is_listed_apart_and_taken_back(api: Any, flows: FakeFlows) -> None:
    await api("DELETE", "entries/entry1")
    _, body = await api("GET", "entries", params={"forgotten": "1"})
    assert [entry["id"] for entry in body["entries"]] == ["entry1"]
    status, body = await api("POST", "entries/entry1/unforget")
    assert (status, body["id"]) == (200, "entry1")
    assert flows.bin == []
    assert (await api("POST", "entries/entry1/unforget"))[0] == 404


async def test_entries_are_searched(api: Any) -> None:
    _, body = await api("GET", "entries", params={"search": "Fit 2"})
    assert [entry["id"] for entry in body["entries"]] == ["entry2"]


async def test_an_entry_is_edited(api: Any, flows: FakeFlows) -> None:
    status, body = await api("PATCH", "entries/entry1", {"title": "Better", "add_tags": ["x"]})
    assert (status, body["title"], body["tags"]) == (200, "Better", ["x"])
    assert flows.calls[0][3] == {"note": None, "project": None, "remove_tags": ()}
    assert (await api("PATCH", "entries/entry1", {"title": 3}))[0] == 400


async def test_an_error_of_a_flow_keeps_its_words_and_status(api: Any, flows: FakeFlows) -> None:
    flows.fails_with = LogbookLocked("Somebody else is pruning it", "Wait a little")
    status, body = await api("GET", "entries")
    assert status == 409
    assert body == {
        "code": "logbook-locked",
        "message": "Somebody else is pruning it",
        "hint": "Wait a little",
        "console": "",
        "choices": [],
    }


async def test_an_unexpected_error_is_json_too(api: Any, flows: FakeFlows) -> None:
    flows.fails_with = KeyError("x")
    status, body = await api("GET", "machines")
    assert (status, body["code"], body["message"]) == (500, "unexpected", "KeyError: 'x'")


async def test_a_job_is_cancelled(api: Any, ended: Any, flows: FakeFlows, notebook: Path) -> None:
    flows.hold = threading.Event()
    _, body = await api("POST", "snapshots", {"path": "fits"})
    job = body["job"]["id"]
    assert (await api("DELETE", f"jobs/{job}"))[0] == 200
    assert (await ended(job))["state"] == "cancelled"
    await api("DELETE", f"jobs/{job}")
    assert (await api("GET", "jobs"))[1] == {"jobs": []}
    assert (await api("GET", f"jobs/{job}"))[0] == 404


async def test_machines_are_listed_without_their_tokens(api: Any) -> None:
    _, body = await api("GET", "machines")
    assert [machine["id"] for machine in body["machines"]] == ["m1"]
    assert "secret" not in str(body)


@pytest.mark.parametrize(
    ("kind", "state"),
    [("stop", "stopped"), ("start", "running"), ("suspend", "suspended"), ("resume", "running")],
)
async def test_a_machine_is_switched(api: Any, ended: Any, flows: FakeFlows, kind: str, state: str) -> None:
    status, body = await api("POST", f"machines/m1/{kind}")
    assert (status, body["job"]["subject"]) == (202, "m1")
    assert (await ended(body["job"]["id"]))["state"] == "done"
    assert flows.running[0].state == state


async def test_a_machine_is_deleted(api: Any, ended: Any, flows: FakeFlows) -> None:
    _, body = await api("DELETE", "machines/m1")
    assert (await ended(body["job"]["id"]))["state"] == "done"
    assert flows.running == []


async def test_a_machine_is_opened_at_its_own_origin(api: Any) -> None:
    status, body = await api("POST", "machines/m1/open")
    assert status == 200
    assert body == {
        "url": "http://vml-m1.localhost:40001/lab/tree/higgs.ipynb?token=secret",
        "access": "direct",
        "trusted": True,
        "frame": True,
    }


async def test_from_afar_a_machine_is_opened_only_when_its_entry_is_trusted(
    api: Any, flows: FakeFlows, jp_base_url: str
) -> None:
    path = f"{jp_base_url}vml/machines/m5/"
    flows.running.append(
        machine(5, base_url=path, url=f"http://vml-m5.localhost:40005{path}lab/tree/higgs.ipynb?token=secret")
    )
    afar = {"headers": {"X-Real-IP": "192.0.2.7"}}
    _, body = await api("POST", "machines/m5/open", {}, **afar)
    assert body == {"url": "", "access": "proxy", "trusted": False, "frame": False}
    _, body = await api("POST", "machines/m5/open", {"trust": True}, **afar)
    assert body == {
        "url": f"{path}lab/tree/higgs.ipynb",
        "access": "proxy",
        "trusted": True,
        "frame": False,
    }
    _, body = await api("POST", "machines/m5/open", {}, **afar)
    assert body["trusted"]


async def test_a_stopped_or_unknown_machine_is_not_opened(api: Any, flows: FakeFlows) -> None:
    flows.running = [machine(1, state="stopped", port=0, url="")]
    assert (await api("POST", "machines/m1/open"))[0] == 410
    assert (await api("POST", "machines/m9/open"))[0] == 404


async def test_releases_say_whether_they_are_here(api: Any) -> None:
    _, body = await api("GET", "releases")
    assert [(release["system"], release["here"]) for release in body["releases"]] == [
        ("4.5.1.0", False),
        ("4.5.0.1", True),
    ]


async def test_the_environment_is_told(api: Any) -> None:
    _, body = await api("GET", "environment")
    assert body == {"release": None, "release_chosen": False, "os": "Debian 12", "python": "3.11.2"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "entries"),
        ("POST", "snapshots"),
        ("POST", "entries/entry1/restore"),
        ("DELETE", "entries/entry1"),
        ("PATCH", "entries/entry1"),
        ("POST", "entries/entry1/unforget"),
        ("GET", "jobs"),
        ("DELETE", "jobs/x"),
        ("GET", "machines"),
        ("POST", "machines/m1/open"),
        ("POST", "machines/m1/stop"),
        ("DELETE", "machines/m1"),
        ("POST", "machines/m1/suspend"),
        ("GET", "machines/m1/standard"),
        ("POST", "machines/m1/standard"),
        ("POST", "machines/m1/standard/a/revert"),
        ("DELETE", "machines/m1/standard/a"),
        ("GET", "doctor"),
        ("GET", "releases"),
        ("GET", "environment"),
        ("GET", "durability"),
    ],
)
async def test_nobody_else_is_let_in(api: Any, flows: FakeFlows, method: str, path: str) -> None:
    status, body = await api(method, path, headers={"Authorization": ""})
    assert status == 403
    assert body["code"] == "http-403"
    assert flows.calls == []


async def test_a_change_of_a_job_is_told_on_the_event_bus(
    api: Any, ended: Any, vml: Any, notebook: Path
) -> None:
    heard = []

    async def listen(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        heard.append(data)

    vml.serverapp.event_logger.add_listener(schema_id=events.SCHEMA_ID, listener=listen)
    _, body = await api("POST", "snapshots", {"path": "fits", "title": "private"})
    await ended(body["job"]["id"])
    await api("GET", "jobs")
    assert [told["state"] for told in heard][-1] == "done"
    assert {told["kind"] for told in heard} == {"snapshot"}
    assert "private" not in str(heard)
