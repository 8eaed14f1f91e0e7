"""What the user of a machine wishes for in the machine's own page is heard, granted or refused, and told back.

The machine's Jupyter is this very server, with the extension that machines have.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from vml_jupyter.guest import vml_ask
from vml_jupyter.server import wishes as wishes_module
from vml_jupyter.server.wishes import listen

from .fake_flows import FakeFlows, machine

LOG = logging.getLogger(__name__)
Page = Callable[..., Awaitable[Any]]


@pytest.fixture
def page(
    jp_serverapp: Any, jp_fetch: Any, flows: FakeFlows, jp_base_url: str, monkeypatch: pytest.MonkeyPatch
) -> Page:
    """Ask the machine as its page does."""
    vml_ask._load_jupyter_server_extension(jp_serverapp)
    flows.running[:] = [
        machine(2, state="stopped", port=0),
        machine(1, port=jp_serverapp.port, base_url=jp_base_url),
    ]
    monkeypatch.setattr(flows, "machine_token", lambda _: jp_serverapp.identity_provider.token)

    async def ask(method: str, *path: str, body: Any = None) -> Any:
        text = None if body is None else json.dumps(body)
        response = await jp_fetch(
            "vml", "wish", *path, method=method, body=text, allow_nonstandard_methods=True
        )
        return json.loads(response.body or b"{}")

    return ask


@asynccontextmanager
async def listening(vml: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(listen(vml, LOG, every_s=0.01))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=10)


async def told(page: Page, wish: str) -> Any:
    for _ in range(1000):
        answer = await page("GET", wish)
        if answer["state"] not in ("waiting", "taking"):
            return answer
        await asyncio.sleep(0.01)
    raise AssertionError("nobody granted the wish")


async def test_a_wish_of_a_trusted_machine_is_granted(page: Page, flows: FakeFlows, vml: Any) -> None:
    vml.trusted.add("entry1")
    wish = (await page("POST", body={"title": "refit"}))["id"]
    async with listening(vml):
        answer = await told(page, wish)
    assert answer == {"state": "done", "message": "“refit” is in the logbook"}
    assert ("capture-machine", "m1", "refit", {"note": "", "tags": ()}) in flows.calls
    (job,) = vml.desk.jobs()
    assert (job.kind, job.subject) == ("capture", "m1")


async def test_a_wish_of_another_is_refused(page: Page, vml: Any) -> None:
    wish = (await page("POST", body={"title": "x" * 5000}))["id"]
    async with listening(vml):
        answer = await told(page, wish)
    assert answer["state"] == "refused"
    assert "was not made here" in answer["message"]
    assert vml.desk.jobs() == []


async def test_who_hears_of_a_wish_and_says_nothing_does_not_take_it(
    page: Page, jp_fetch: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vml_ask, "LEASE_S", 0.05)
    wish = (await page("POST", body={"title": "refit"}))["id"]
    for _ in range(2):
        response = await jp_fetch("vml", "wish", params={"wait": "10"})
        assert json.loads(response.body) == {"id": wish, "title": "refit"}
    await page("PUT", wish, body={"state": "done", "message": "m"})
    response = await jp_fetch("vml", "wish", params={"wait": "0.2"})
    assert response.code == 204
    with pytest.raises(HTTPClientError, match="404"):
        await page("GET", "0" * 32)


class Hasty(RequestHandler):
    """A machine that wishes again and again, or never waits though it was told to."""

    asked = 0
    wishes = False

    def get(self, *_: str) -> None:
        Hasty.asked += 1
        if Hasty.wishes:
            self.finish({"id": "ab" * 16, "title": "again"})
        else:
            self.set_status(204)

    def put(self, *_: str) -> None:
        self.set_status(204)


@pytest.mark.parametrize("wishes", [True, False])
async def test_a_machine_that_does_not_wait_keeps_nobody_busy(
    vml: Any, flows: FakeFlows, wishes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    sock, port = bind_unused_port()
    server = HTTPServer(Application([(r"/vml/wish.*", Hasty)]))
    server.add_socket(sock)
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr(wishes_module, "_rest", rest)
    Hasty.asked, Hasty.wishes = 0, wishes
    vml.trusted.add("entry1")
    task = asyncio.create_task(wishes_module.attend(vml, machine(1, port=port), LOG))
    for _ in range(2000):
        if Hasty.asked >= 5:
            break
        await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.wait([task], timeout=10)
    server.stop()
    assert Hasty.asked >= 5
    assert len(rests) >= 4
    if wishes:
        assert rests[:4] == [4.0, 8.0, 16.0, 32.0]
    else:
        assert min(rests) > 0


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_only_who_has_the_machines_token_may_wish(jp_fetch: Any, page: Page, token: str) -> None:
    headers = {"Authorization": f"token {token}"} if token else {"Authorization": ""}
    with pytest.raises(HTTPClientError, match="403"):
        await jp_fetch("vml", "wish", method="POST", body="{}", headers=headers)
