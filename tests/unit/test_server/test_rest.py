"""The routes of standard snapshots and of the doctor, and the watch over machines that nobody uses."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from vml_jupyter.errors import LibvirtUnreachable
from vml_jupyter.server.watch import look, watch

from .fake_flows import FakeFlows, machine

LOG = logging.getLogger(__name__)


async def test_standard_snapshots_are_taken_listed_reverted_to_and_deleted(
    api: Any, ended: Any, flows: FakeFlows
) -> None:
    status, body = await api("POST", "machines/m1/standard", {"name": "before-fit.2"})
    assert (status, body["job"]["subject"]) == (202, "m1")
    assert (await ended(body["job"]["id"]))["result"] == {"machine": "m1", "snapshot": "before-fit.2"}
    _, body = await api("GET", "machines/m1/standard")
    assert body == {"snapshots": [{"name": "before-fit.2", "current": True}]}
    for verb, path in (("POST", "before-fit.2/revert"), ("DELETE", "before-fit.2")):
        status, body = await api(verb, f"machines/m1/standard/{path}")
        assert status == 202
        assert (await ended(body["job"]["id"]))["state"] == "done"
    _, body = await api("GET", "machines/m1/standard")
    assert body == {"snapshots": []}
    assert ("revert", "m1", "before-fit.2") in flows.calls


@pytest.mark.parametrize("trusted", [True, False])
async def test_a_machine_is_captured_and_trusted_as_far_as_what_it_was_made_of(
    api: Any, ended: Any, flows: FakeFlows, vml: Any, trusted: bool
) -> None:
    if trusted:
        vml.trusted.add(flows.running[0].entry)
    status, body = await api("POST", "machines/m1/capture", {"title": "refit", "tags": ["higgs"]})
    assert (status, body["job"]["kind"], body["job"]["subject"]) == (202, "capture", "m1")
    result = (await ended(body["job"]["id"]))["result"]
    assert result["title"] == "refit"
    assert ("capture-machine", "m1", "refit", {"note": "", "tags": ("higgs",)}) in flows.calls
    assert (result["entry"] in vml.trusted) == trusted


@pytest.mark.parametrize("path", ["machines/m1/standard/a%2Fb", "machines/m1/standard/a%20b/revert"])
async def test_what_is_no_name_has_no_route(api: Any, flows: FakeFlows, path: str) -> None:
    with pytest.raises(ValueError, match="Expecting value"):  # Jupyter Server's own page, which is no JSON
        await api("DELETE", path)
    assert flows.calls == []


@pytest.mark.parametrize(("query", "again"), [({}, False), ({"again": "1"}, True)])
async def test_the_doctor_is_asked(api: Any, flows: FakeFlows, query: dict[str, str], again: bool) -> None:
    status, body = await api("GET", "doctor", params=query)
    assert (status, body["can_restore"], body["findings"][0]["fix"]) == (200, True, "do without")
    assert flows.calls == [("doctor", again)]


async def test_idle_machines_are_suspended_by_a_job(flows: FakeFlows, vml: Any, ended: Any) -> None:
    flows.running.append(machine(2, state="stopped"))
    await look(vml, LOG)
    (job,) = vml.desk.jobs()
    assert (job.kind, job.subject) == ("suspend", "m1")
    assert (await ended(job.id))["state"] == "done"
    assert [machine.state for machine in flows.running] == ["suspended", "stopped"]
    await look(vml, LOG)
    assert len(vml.desk.jobs()) == 1


async def test_the_watch_goes_on_after_an_error(flows: FakeFlows, vml: Any) -> None:
    flows.fails_with = LibvirtUnreachable("libvirt does not answer")
    watching = asyncio.create_task(watch(vml, LOG, every_s=0.001))
    for _ in range(1000):
        if flows.calls.count(("idle",)) > 2:
            break
        await asyncio.sleep(0.01)
    assert flows.calls.count(("idle",)) > 2
    assert not watching.done()
    watching.cancel()


async def test_the_server_watches_while_it_runs(vml: Any, jp_serverapp: Any) -> None:
    await vml._start_jupyter_server_extension(jp_serverapp)
    assert not vml._watching.done()
    watching = vml._watching
    await vml.stop_extension()
    await asyncio.wait([watching], timeout=10)
    assert watching.cancelled()


async def test_limits_and_idle_time_are_traits(vml: Any) -> None:
    vml.idle_minutes, vml.machines_max = 0, 2
    assert (vml.user_settings.idle_minutes, vml.user_settings.machines_max) == (0, 2)
    assert vml.user_settings.machines_memory_mib is None
