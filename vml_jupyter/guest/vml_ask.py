"""A machine's Jupyter passes on that its user wishes for a snapshot; the user's own Jupyter server may take it.

    page of the machine   POST vml/wish {"title": "..."}   ->  {"id": "..."}
    user's own server     GET  vml/wish?wait=25            ->  {"id": "...", "title": "..."}, or 204 where there is none
    user's own server     PUT  vml/wish/ID {"state": "taking", "message": ""}
    page of the machine   GET  vml/wish/ID                 ->  {"state": "waiting", "message": ""}

A machine can only wish: it knows no address and no key of any other server. Runs in the guest's Jupyter Server, from a
file of its own; states are ``waiting``, ``taking``, and last ``done``, ``refused`` or ``failed``.
"""

import asyncio
import json
import uuid

from jupyter_server.base.handlers import APIHandler
from tornado import web

LONGEST_S = 25.0
LEASE_S = 5.0
TITLE = 1000


class Wishes:
    """The one wish that there can be at a time; it is offered again where who heard of it does not say so."""

    def __init__(self):
        # type: () -> None
        self.id = self.title = self.state = self.message = ""
        self.offered = False
        self._made = None  # type: asyncio.Event | None

    @property
    def made(self):
        # type: () -> asyncio.Event
        if self._made is None:  # an event belongs to the loop that runs when it is made
            self._made = asyncio.Event()
        return self._made

    def make(self, title):
        # type: (str) -> str
        self.id, self.title, self.state, self.message = uuid.uuid4().hex, title[:TITLE], "waiting", ""
        self._offer(self.id)
        return self.id

    async def taken(self, wait_s):
        # type: (float) -> bool
        """Wait for a wish and hand it out."""
        if not self.offered:
            self.made.clear()
            try:
                await asyncio.wait_for(self.made.wait(), wait_s)
            except asyncio.TimeoutError:
                return False
        taken, self.offered = self.offered, False
        if taken:
            asyncio.get_event_loop().call_later(LEASE_S, self._offer, self.id)
        return taken

    def _offer(self, number):
        # type: (str) -> None
        if number == self.id and self.state == "waiting":
            self.offered = True
            self.made.set()


class WishHandler(APIHandler):
    def initialize(self, wishes):
        # type: (Wishes) -> None
        self.wishes = wishes
        self._waiting = None  # type: asyncio.Future[bool] | None

    @web.authenticated
    async def get(self):
        # type: () -> None
        wait_s = min(max(float(self.get_query_argument("wait", "0")), 0.0), LONGEST_S)
        self._waiting = asyncio.ensure_future(self.wishes.taken(wait_s))
        try:
            taken = await self._waiting
        except asyncio.CancelledError:
            return
        if taken:
            self.finish(json.dumps({"id": self.wishes.id, "title": self.wishes.title}))
        else:
            self.set_status(204)
            self.finish()

    def on_connection_close(self):
        # type: () -> None
        if self._waiting is not None:
            self._waiting.cancel()

    @web.authenticated
    async def post(self):
        # type: () -> None
        body = self.get_json_body() or {}
        self.finish(json.dumps({"id": self.wishes.make(str(body.get("title", "")))}))


class OneWishHandler(WishHandler):
    @web.authenticated
    async def get(self, number):
        # type: (str) -> None
        if number != self.wishes.id:
            raise web.HTTPError(404)
        self.finish(json.dumps({"state": self.wishes.state, "message": self.wishes.message}))

    @web.authenticated
    async def put(self, number):
        # type: (str) -> None
        body = self.get_json_body() or {}
        if number != self.wishes.id:
            raise web.HTTPError(404)
        self.wishes.state = str(body.get("state", ""))[:20]
        self.wishes.message = str(body.get("message", ""))[:TITLE]
        self.set_status(204)
        self.finish()


def _jupyter_server_extension_points():
    # type: () -> list[dict[str, str]]
    return [{"module": "vml_ask"}]


def _load_jupyter_server_extension(app):
    # type: (object) -> None
    wishes = {"wishes": Wishes()}
    base = app.web_app.settings["base_url"].rstrip("/")  # type: ignore[attr-defined]
    handlers = [
        (base + "/vml/wish", WishHandler, wishes),
        (base + "/vml/wish/([0-9a-f]{32})", OneWishHandler, wishes),
    ]
    app.web_app.add_handlers(".*$", handlers)  # type: ignore[attr-defined]


load_jupyter_server_extension = _load_jupyter_server_extension
