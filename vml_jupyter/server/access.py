"""How the browser that sent a request reaches a machine, and at which address.

    browser on this computer    http://vml-<machine>.localhost:<port>/lab/tree/fit.ipynb?token=...
    browser elsewhere           <base_url>vml/machines/<machine>/lab/tree/fit.ipynb
    administrator's proxy       https://<machine>.vml.example.org/lab/tree/fit.ipynb?token=...

The first and the last have an origin of their own, so script from a machine cannot act as the user on
this server. Browsers resolve every name below ``localhost`` to this computer.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest

from vml_jupyter.errors import MachineGone, MachineRefused
from vml_jupyter.model import Machine

Access = Literal["direct", "proxy"]

_FORWARDING = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via")
_REMOTE_SESSION = ("JUPYTERHUB_API_URL", "JUPYTERHUB_SERVICE_PREFIX", "SSH_CONNECTION")


def access_for(request: HTTPServerRequest, setting: str, environ: Mapping[str, str]) -> Access:
    """Return how to reach machines, as configured or judged by the request.

    A server that was started over ssh is taken for remote: its user's browser comes through a tunnel,
    which looks like this computer in every other respect, but forwards one port only.
    """
    if setting != "auto":
        return "direct" if setting == "direct" else "proxy"
    remote = any(name in environ for name in _REMOTE_SESSION)
    forwarded = any(name in request.headers for name in _FORWARDING)
    here = _is_loopback(request.remote_ip or "") and _is_loopback(
        urlsplit(f"//{request.host}").hostname or ""
    )
    return "direct" if here and not remote and not forwarded else "proxy"


def address(machine: Machine, access: Access, template: str = "") -> str:
    """Return where the browser opens the machine's notebook.

    Raises:
        MachineGone: It does not run.
        MachineRefused: It was started for a browser on this computer and cannot be shown from afar.
    """
    if not machine.url:
        raise MachineGone(f"The machine {machine.id} is {machine.state}", "Start it, then open it")
    parts = urlsplit(machine.url)
    inside = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if template:
        return template.format(machine=machine.id, port=machine.port).rstrip("/") + inside
    if access == "direct":
        return machine.url
    if machine.base_url == "/":
        raise MachineRefused(
            f"The machine {machine.id} was started for a browser on the server's own computer",
            "Delete it and restore its entry again from this browser",
        )
    return parts.path


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
