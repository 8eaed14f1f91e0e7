"""Which browsers are on this computer, and where a machine is opened for each."""

from __future__ import annotations

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from vml_jupyter.errors import MachineGone, MachineRefused
from vml_jupyter.flows.trust import TrustedEntries
from vml_jupyter.server.access import access_for, address

from .fake_flows import machine


class Connection:
    """The part of a connection that a request looks at."""

    class context:  # noqa: N801  # the name tornado gives it
        remote_ip = "127.0.0.1"
        protocol = "http"


def request(host: str = "localhost:8888", ip: str = "127.0.0.1", **headers: str) -> HTTPServerRequest:
    named = HTTPHeaders({name.replace("_", "-"): value for name, value in headers.items()})
    named["Host"] = host
    line = RequestStartLine("GET", "/", "HTTP/1.1")
    made = HTTPServerRequest(start_line=line, headers=named, connection=Connection())  # type: ignore[arg-type]
    made.remote_ip = ip
    return made


@pytest.mark.parametrize(
    "host", ["localhost:8888", "127.0.0.1:8888", "[::1]:8888", "lab.localhost", "127.0.0.1"]
)
def test_a_browser_on_this_computer_goes_directly(host: str) -> None:
    assert access_for(request(host), "auto", {}) == "direct"


@pytest.mark.parametrize(
    ("asked", "environ"),
    [
        (request(ip="192.0.2.7"), {}),
        (request("jupyter.example.org"), {}),
        (request("localhost.example.org"), {}),
        (request(X_Forwarded_For="192.0.2.7"), {}),
        (request(X_Real_IP="192.0.2.7"), {}),
        (request(Forwarded="for=192.0.2.7"), {}),
        (request(), {"JUPYTERHUB_API_URL": "http://hub/api"}),
        (request(), {"SSH_CONNECTION": "192.0.2.7 1 192.0.2.8 22"}),
    ],
)
def test_any_other_goes_through_the_proxy(asked: HTTPServerRequest, environ: dict[str, str]) -> None:
    assert access_for(asked, "auto", environ) == "proxy"


@pytest.mark.parametrize("setting", ["direct", "proxy"])
def test_a_setting_decides(setting: str) -> None:
    assert access_for(request(ip="192.0.2.7"), setting, {}) == setting
    assert access_for(request(), setting, {}) == setting


def test_the_address_on_this_computer_is_the_machines_own() -> None:
    assert address(machine(1), "direct") == machine(1).url


def test_the_address_behind_the_proxy_has_no_token() -> None:
    shown = machine(
        1, base_url="/u/vml/machines/m1/", url="http://x.localhost:1/u/vml/machines/m1/lab?token=s"
    )
    assert address(shown, "proxy") == "/u/vml/machines/m1/lab"


def test_an_administrators_address_is_used_where_there_is_one() -> None:
    template = "https://{machine}.vml.example.org/"
    assert address(machine(1), "proxy", template) == (
        "https://m1.vml.example.org/lab/tree/higgs.ipynb?token=secret"
    )


def test_a_machine_made_for_this_computer_is_not_shown_from_afar() -> None:
    with pytest.raises(MachineRefused):
        address(machine(1), "proxy")


def test_a_machine_that_does_not_run_has_no_address() -> None:
    with pytest.raises(MachineGone):
        address(machine(1, url="", state="stopped"), "direct")


def test_trust_is_remembered(tmp_path) -> None:
    file = tmp_path / "vml" / "trusted-entries"
    assert "a" not in TrustedEntries(file)
    TrustedEntries(file).add("a")
    TrustedEntries(file).add("b")
    TrustedEntries(file).add("a")
    assert file.read_text() == "a\nb\n"
    assert "a" in TrustedEntries(file)
    assert "" not in TrustedEntries(file)
    assert file.stat().st_mode & 0o777 == 0o600
