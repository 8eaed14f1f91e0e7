"""What passes between a browser and a machine behind the proxy, and what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler
from tornado.websocket import WebSocketHandler

from .fake_flows import FakeFlows, machine

SPEAKING_FOR_ALL = (
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
    "Alt-Svc",
    "Link",
    "NEL",
    "Origin-Agent-Cluster",
    "Refresh",
    "Report-To",
    "Reporting-Endpoints",
    "Strict-Transport-Security",
    "WWW-Authenticate",
    "X-Accel-Redirect",
)


class Mirror(RequestHandler):
    """A machine's Jupyter that tells what reached it, and tries to set what it must not."""

    def get(self) -> None:
        if self.get_query_argument("to", ""):
            self.set_status(302)
            self._headers["Location"] = self.get_query_argument("to", strip=False)
            return
        self.set_header("Set-Cookie", "username-x=stolen; Path=/")
        self.add_header("Set-Cookie", "second=1")
        self.set_header("Clear-Site-Data", '"cookies"')
        self.set_header("Service-Worker-Allowed", "/")
        for name in SPEAKING_FOR_ALL:
            self.set_header(name, "x")
        self.set_header("Content-Disposition", "inline")
        self.set_header("Content-Security-Policy", "sandbox allow-scripts")
        self.set_header("ETag", '"page"')
        self.finish(
            {
                "method": self.request.method,
                "uri": self.request.uri,
                "headers": dict(self.request.headers.get_all()),
                "body": self.request.body.decode(),
            }
        )

    post = put = delete = patch = get


class Echo(WebSocketHandler):
    def open(self, *args: str) -> None:
        self.write_message(json.dumps(dict(self.request.headers.get_all())))

    def on_message(self, message: str | bytes) -> None:
        self.write_message(message, binary=isinstance(message, bytes))

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        return subprotocols[0] if subprotocols else None


@pytest.fixture
def guest(flows: FakeFlows, vml: Any, jp_base_url: str, jp_asyncio_loop: Any) -> Any:
    """A trusted machine whose Jupyter is a mirror."""

    async def listen() -> HTTPServer:
        sock, port = bind_unused_port()
        base_url = f"{jp_base_url}vml/machines/m7/"
        server = HTTPServer(Application([(rf"{base_url}ws", Echo), (rf"{base_url}.*", Mirror)]))
        server.add_socket(sock)
        flows.running.append(machine(7, port=port, base_url=base_url))
        return server

    server = jp_asyncio_loop.run_until_complete(listen())
    vml.trusted.add("entry7")
    yield server
    server.stop()


def lower(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


async def test_the_path_reaches_the_machine_unchanged(jp_fetch: Any, guest: Any, jp_base_url: str) -> None:
    response = await jp_fetch("vml", "machines", "m7", "lab", "tree", "a b.ipynb", params={"reset": ""})
    seen = json.loads(response.body)
    assert seen["uri"] == f"{jp_base_url}vml/machines/m7/lab/tree/a%20b.ipynb?reset="


async def test_what_identifies_the_user_stays_here(jp_fetch: Any, guest: Any, jp_serverapp: Any) -> None:
    token = jp_serverapp.identity_provider.token
    response = await jp_fetch(
        "vml",
        "machines",
        "m7",
        "lab",
        params={"token": token, "q": "1"},
        headers={
            "Authorization": f"token {token}",
            "Cookie": "username-localhost-8888=me; _xsrf=x",
            "X-XSRFToken": "x",
            "Referer": f"http://localhost:8888/lab?token={token}",
            "X-JupyterHub-Secret": "s",
            "Accept": "text/html",
        },
    )
    seen = json.loads(response.body)
    headers = lower(seen["headers"])
    assert headers["authorization"] == "token token-of-m7"
    assert headers["accept"] == "text/html"
    assert token not in str(seen)
    assert seen["uri"].endswith("/lab?q=1")
    assert not {"cookie", "x-xsrftoken", "referer", "x-jupyterhub-secret"} & set(headers)


@pytest.mark.parametrize("accept", ["text/html", "text/event-stream"])
async def test_a_machine_sets_nothing_here(jp_fetch: Any, guest: Any, accept: str) -> None:
    response = await jp_fetch("vml", "machines", "m7", "lab", headers={"Accept": accept})
    assert response.headers["ETag"] == '"page"'
    assert response.headers["Content-Disposition"] == "inline"
    assert response.headers.get_list("Content-Security-Policy")[0] == "sandbox allow-scripts"
    for name in ("Set-Cookie", "Clear-Site-Data", "Service-Worker-Allowed", *SPEAKING_FOR_ALL):
        assert name not in response.headers


async def test_a_machine_hands_out_no_service_worker(jp_fetch: Any, guest: Any) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch("vml", "machines", "m7", "sw.js", headers={"Service-Worker": "script"})
    assert refused.value.code == 403


async def test_an_address_that_no_policy_can_name_is_refused(jp_fetch: Any, guest: Any) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch("vml", "machines", "m7", "lab", headers={"Host": "[::1]:8888"})
    assert refused.value.code == 403
    assert b"localhost" in refused.value.response.body


async def test_a_page_is_confined_to_its_machine(jp_fetch: Any, guest: Any, jp_base_url: str) -> None:
    response = await jp_fetch("vml", "machines", "m7", "lab")
    policy = response.headers.get_list("Content-Security-Policy")[-1]
    sources = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    for kind in ("connect-src", "frame-src", "worker-src", "form-action", "object-src", "base-uri"):
        for source in sources[kind].split():
            assert not source.startswith("https:"), "this server may be that, behind another one"
            assert source in ("data:", "blob:") or source.endswith(f"{jp_base_url}vml/machines/m7/")
    assert "blob:" in sources["object-src"].split(), "JupyterLab shows PDFs so"
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "location",
    [
        "/api/contents",
        "/a%40b/api",
        "//elsewhere/",
        "http://elsewhere/",
        "../../api",
        "{place}..",
        "{place}%2E./api",
        "{place}x/..%2f..%5c../api",
        "{place}%2e%2e\\api",
        "/a%40b/vml/machines/m70/lab",
        "\\\\x",
        "/\t/x",
        "http:/a%40b/vml/machines/m7/lab",
    ],
)
async def test_a_machine_cannot_send_a_page_on_to_this_server(
    jp_fetch: Any, guest: Any, jp_base_url: str, location: str
) -> None:
    location = location.replace("{place}", f"{jp_base_url}vml/machines/m7/")
    with pytest.raises(HTTPClientError) as stopped:
        await jp_fetch("vml", "machines", "m7", "lab", params={"to": location}, follow_redirects=False)
    assert stopped.value.code == 302
    assert "Location" not in stopped.value.response.headers


async def test_a_machine_sends_a_page_on_within_itself(jp_fetch: Any, guest: Any, jp_base_url: str) -> None:
    place = f"{jp_base_url}vml/machines/m7"
    inside = (
        "/lab?x=1",
        "/lab?path=a%2Fb&up=../..",
        "/lab/tree/a..b.ipynb",
        "/lab/tree/a%2Fb",
        "",
        "/lab#%2e%2e",
    )
    for location in (*(place + each for each in inside), "tree/x", "?x=%5C"):
        with pytest.raises(HTTPClientError) as sent:
            await jp_fetch("vml", "machines", "m7", "lab", params={"to": location}, follow_redirects=False)
        assert sent.value.response.headers["Location"] == location


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_bodies_reach_the_machine(jp_fetch: Any, guest: Any, method: str) -> None:
    response = await jp_fetch("vml", "machines", "m7", "api", "x", method=method, body='{"a": 1}')
    seen = json.loads(response.body)
    assert (seen["method"], seen["body"]) == (method, '{"a": 1}')


async def test_websockets_pass_in_both_directions(jp_ws_fetch: Any, guest: Any) -> None:
    ws = await jp_ws_fetch("vml", "machines", "m7", "ws")
    headers = lower(json.loads(await ws.read_message()))
    assert headers["authorization"] == "token token-of-m7"
    await ws.write_message("text")
    assert await ws.read_message() == "text"
    await ws.write_message(b"\0\1", binary=True)
    assert await ws.read_message() == b"\0\1"
    ws.close()


async def test_a_websocket_speaks_the_protocol_that_the_machine_took(jp_ws_fetch: Any, guest: Any) -> None:
    asked = {"Sec-WebSocket-Protocol": "v1.kernel.websocket.jupyter.org"}
    ws = await jp_ws_fetch("vml", "machines", "m7", "ws", headers=asked)
    assert ws.headers["Sec-WebSocket-Protocol"] == "v1.kernel.websocket.jupyter.org"
    ws.close()


async def test_a_forged_request_is_refused(jp_fetch: Any, guest: Any, jp_serverapp: Any) -> None:
    """A page elsewhere may send the user's cookie along, but not what proves that our page asked."""
    cookies = await _log_in(jp_fetch, jp_serverapp)
    as_browser = {"Authorization": "", "Cookie": "; ".join(f"{name}={cookies[name]}" for name in cookies)}
    asked = ("vml", "machines", "m7", "api", "x")
    assert (await jp_fetch(*asked, headers=as_browser)).code == 200
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch(*asked, method="POST", body="", headers=as_browser)
    assert refused.value.code == 403
    proven = {**as_browser, "X-XSRFToken": cookies["_xsrf"]}
    assert (await jp_fetch(*asked, method="POST", body="", headers=proven)).code == 200


async def test_nobody_else_is_let_in(jp_fetch: Any, guest: Any, jp_ws_fetch: Any) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch("vml", "machines", "m7", "lab", headers={"Authorization": ""}, follow_redirects=False)
    assert refused.value.code in (302, 403)
    with pytest.raises(HTTPClientError) as refused:
        await jp_ws_fetch("vml", "machines", "m7", "ws", headers={"Authorization": ""})
    assert refused.value.code == 403


async def test_a_machine_of_an_entry_from_elsewhere_is_not_shown(jp_fetch: Any, flows: FakeFlows) -> None:
    with pytest.raises(HTTPClientError) as refused:
        await jp_fetch("vml", "machines", "m1", "lab")
    assert refused.value.code == 403


async def test_a_machine_that_is_not_there_or_does_not_run(jp_fetch: Any, flows: FakeFlows) -> None:
    flows.running = [machine(1, state="stopped", port=0, url="")]
    for name, status in (("m1", 410), ("m9", 404)):
        with pytest.raises(HTTPClientError) as refused:
            await jp_fetch("vml", "machines", name, "lab")
        assert refused.value.code == status


async def _log_in(jp_fetch: Any, serverapp: Any) -> dict[str, str]:
    """Return the cookies that a browser has after it saw the login page and followed the link with the token."""
    outside = {"headers": {"Authorization": ""}, "follow_redirects": False, "raise_error": False}
    form = await jp_fetch("login", **outside)
    entered = await jp_fetch("login", params={"token": serverapp.identity_provider.token}, **outside)
    said = form.headers.get_list("Set-Cookie") + entered.headers.get_list("Set-Cookie")
    pairs = (cookie.split(";")[0].split("=", 1) for cookie in said)
    return {name: value for name, value in pairs if value}
