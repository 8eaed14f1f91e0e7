"""A machine's own Jupyter, shown through this server to a browser that cannot reach it.

    browser --cookie of this server--> <base_url>vml/machines/<id>/... --machine's token--> 127.0.0.1:port

The path is passed on unchanged, because the machine's Jupyter was told that it lives below it. In both
directions only what a page needs is passed on: the machine never sees what identifies the user here, and
never sets anything here. Its own token is added on the way, so no address or history holds it; in exchange
this server does the checks against forged requests that the token switches off over there.

Script of the machine has the origin of this server here. So each answer says that the page may ask, frame and send
forms to nothing but the machine's own path (a content security policy; redirects out of there are dropped, because
browsers check no path after one), and that windows it opens, or that opened it, are out of its reach. No service
worker is handed out: one answers for the whole path in the browser, where nothing is added to what it says.

The policy shuts out other hosts as well: a policy lists what is allowed and cannot say "all but this server", and
whether the browser came by https is not known here, where something before this server may have unwrapped it. Pages
that need other hosts need an origin of their own (``machine_address``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server_proxy.handlers import ProxyHandler
from tornado import web
from tornado.httputil import HTTPHeaders

from vml_jupyter.errors import VmlError
from vml_jupyter.server.doors import Door
from vml_jupyter.server.handler import http_status

if TYPE_CHECKING:
    from vml_jupyter.server.app import VmlExtension

_PASSED_IN = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "content-type",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "range",
        "user-agent",
    }
)
# A list of what may leave, because headers that speak for a whole origin become ever more (reports, other servers,
# stored data, ...), and reverse proxies obey some of their own.
_PASSED_OUT = frozenset(
    {
        "accept-ranges",
        "age",
        "allow",
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-length",
        "content-range",
        "content-security-policy",
        "content-type",
        "cross-origin-embedder-policy",
        "cross-origin-resource-policy",
        "date",
        "etag",
        "expires",
        "last-modified",
        "permissions-policy",
        "pragma",
        "referrer-policy",
        "retry-after",
        "vary",
        "x-content-type-options",
        "x-frame-options",
    }
)
_OF_WEBSOCKETS = frozenset(
    {
        "connection",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-protocol",
        "upgrade",
    }
)


class MachineProxyHandler(ProxyHandler):  # type: ignore[misc]  # the base is untyped
    """Pass HTTP and WebSocket requests on to one machine.

    Args:
        vml: The extension application.
    """

    def __init__(self, *args: Any, vml: VmlExtension, **kwargs: Any) -> None:
        self.vml = vml
        self._door = Door(machine="", entry="", port=0)
        super().__init__(*args, absolute_url=True, host_allowlist=["127.0.0.1"], **kwargs)
        # The base sets these methods on the instance, where no override of the class would be found.
        self._set_any_header: Callable[[str, str], None] = self.__dict__["set_header"]
        self.set_header = self._set_passed_header
        self._flush_any: Callable[[bool], Any] = self.__dict__["flush"]
        self.flush = self._flush_confined

    async def prepare(self, *args: Any, **kwargs: Any) -> None:
        await super().prepare(*args, **kwargs)
        if self._finished:
            return
        if self.request.headers.get("Service-Worker"):  # which browsers always say, and no script can
            raise web.HTTPError(403, "A machine behind this server's proxy can have no service worker")
        if self.request.host.startswith("["):
            raise web.HTTPError(
                403,
                f"A machine's pages cannot be confined below http://{self.request.host}, as policies of browsers "
                "know no IPv6 addresses; open this server by a name, such as localhost",
            )
        self._door = await self.vml.doors.find(self.path_args[0])
        if self._door.entry not in self.vml.trusted:
            raise web.HTTPError(
                403, f"The machine {self._door.machine} is not trusted; open it in the Logbook panel"
            )

    async def http_get(self, machine: str) -> None:
        await self.proxy("127.0.0.1", self._door.port, self.request.path)

    async def open(self, machine: str) -> None:
        await self.proxy_open("127.0.0.1", self._door.port, self.request.path)

    post = put = delete = head = patch = options = http_get

    def check_xsrf_cookie(self) -> None:
        """Check here, as for this server's own requests: with a token the machine itself does not."""
        JupyterHandler.check_xsrf_cookie(self)

    def get_client_uri(self, protocol: str, host: str, port: int, proxied_path: str) -> str:
        """Return the same path and query on the machine, without a token of this server."""
        query = [(name, value) for name, value in parse_qsl(self.request.query, True) if name != "token"]
        return f"{protocol}://{host}:{port}{self.request.path}" + (f"?{urlencode(query)}" if query else "")

    def proxy_request_headers(self) -> HTTPHeaders:
        """Return what the machine gets to see of the request's headers, and its own token."""
        passed = HTTPHeaders()
        for name, value in self.request.headers.get_all():
            if name.lower() in _PASSED_IN:
                passed.add(name, value)
        passed["Authorization"] = f"token {self._door.token}"
        return passed

    def add_header(self, name: str, value: str) -> None:
        if self._may_leave(name, value):
            super().add_header(name, value)

    def _set_passed_header(self, name: str, value: str) -> None:
        if self._may_leave(name, value):
            self._set_any_header(name, value)

    def _flush_confined(self, include_footers: bool = False) -> Any:
        if not self._headers_written and self._door.port:
            # Beside what the machine says: a browser obeys all policies.
            self._headers.add("Content-Security-Policy", confinement(self.request.host, self._place))
            self._headers["Cross-Origin-Opener-Policy"] = "same-origin"
        return self._flush_any(include_footers)

    @property
    def _place(self) -> str:
        """Below which path the machine is."""
        return f"{self.settings['base_url']}vml/machines/{self._door.machine}/"

    def _may_leave(self, name: str, value: str) -> bool:
        name = name.lower()
        if not self._door.port:  # no machine was asked yet
            return name != "set-cookie"
        if name == "location":
            return stays(value, self.request.host, self.request.path, self._place)
        live = (
            self.request.headers.get("Upgrade", "").lower() == "websocket"
        )  # to which this server answers itself
        return name in _PASSED_OUT or (live and name in _OF_WEBSOCKETS)

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        super().send_error(http_status(status_code, kwargs.get("exc_info")), **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1] if kwargs.get("exc_info") else None
        if not isinstance(error, VmlError):
            super().write_error(status_code, **kwargs)
            return
        JupyterHandler.set_header(self, "Content-Type", "text/plain; charset=utf-8")
        self.finish(str(error))


def confinement(host: str, place: str) -> str:
    """Return a content security policy with which a page reaches nothing of a host but what is below a path.

    Browsers take ``http:`` and ``ws:`` there for the encrypted ones, too. Other hosts are out of reach with it as well.
    A host must be a name or an IPv4 address: sources in policies cannot be others.
    """
    path = place.replace(";", "%3B").replace(",", "%2C")
    here, live = f"http://{host}{path}", f"ws://{host}{path}"
    return (
        f"connect-src {here} {live} data: blob:; frame-src {here} data: blob:; worker-src {here} blob:; "
        f"object-src {here} blob:; form-action {here}; base-uri {here}; manifest-src {here}"
    )


def stays(location: str, host: str, path: str, place: str) -> bool:
    """Tell whether a redirect leads to the same machine, however a browser or a reverse proxy may read it."""
    told = urlsplit(location.strip())
    if "\\" in told.path or not location.isprintable() or (told.scheme and not told.netloc):
        return False
    if ".." in re.split(r"[/\\]", unquote(told.path)):
        return False
    target = urlsplit(urljoin(f"http://{host}{path}", location.strip()))
    return (
        target.scheme in ("http", "https")
        and target.netloc.lower() == host.lower()
        and (target.path + "/").startswith(place)
    )
