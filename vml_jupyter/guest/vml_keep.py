"""What a cell prints is kept while no page looks, and shown to the page that comes next.

A page writes into the notebook what its own cells print. One that is reloaded or closed is not there any more, and the
next has another session, to which Jupyter replays nothing. So this server extension listens to each kernel itself, from
the moment a page is connected to it, and keeps the outputs of every execution that names its cell. Where nobody is
left who would write them, they go into the notebook file: at once, then every ``EVERY_S`` while the cell runs, and at
its end. A page that opens the notebook meanwhile asks for them and goes on asking until the cell has ended:

    POST vml/outputs {"kernel": ID, "client": SESSION, "seen": {REQUEST: VERSION, ...}}
    -> {"runs": [{"request": ..., "cell": ..., "code": ..., "state": "waiting" | "running" | "ended", "count": 3,
                  "version": 17, "outputs": [...] or null where that version was seen, "unsaved": ...,
                  "written": "2026-..." or "", when they were put into the file}]}

In the file only outputs and number of the cell with the same id (where a file has no ids: the one cell with the same
source) are touched, only while its source is what was executed, and not where somebody saved the notebook after the
last output. One execution keeps ``LIMIT`` bytes, all together ``ALL`` and what still runs or has to be written. Runs in
the guest's Jupyter Server, 2.0 and later; an older one has no place to put this, and it does nothing there.
"""

from __future__ import annotations

# ruff: noqa: PTH105, PTH108, PTH110, PTH116, PTH120
import asyncio
import json
import os
import re
import shutil
import tempfile
import time
from typing import Any

import nbformat
from jupyter_client.session import Session
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import ensure_async
from tornado import web

LIMIT = 8 << 20
ALL = 64 << 20
EVERY_S = 5.0
# A page that left says so; one whose network broke off may come back, finds its messages kept by Jupyter, and would
# not like a file that changed meanwhile.
LOST_S = 600.0
ASKED_S = 30.0  # between a page's first question and its connection to the kernel
V1 = "v1.kernel.websocket.jupyter.org"
TOO_MUCH = f"[More output than {LIMIT >> 20} MiB was not kept.]\n"
KINDS = ("stream", "display_data", "execute_result", "error")


class Outputs:
    """The outputs of a cell as a notebook has them, made of a kernel's messages."""

    def __init__(self) -> None:
        self._clear = False
        self._empty()

    def take(self, kind: str, content: dict[str, Any]) -> bool:
        """Take a message; tell whether that changed anything."""
        if kind == "clear_output":
            self._clear = bool(content.get("wait"))
            if not self._clear:
                self._empty()
            return not self._clear
        if kind == "update_display_data":
            return self._update(content)
        if kind not in KINDS:
            return False
        if self._clear:
            self._empty()
        return self._add(kind, content)

    def rendered(self) -> list[dict[str, Any]]:
        """Return them as JSON."""
        return [
            {**item, "text": overwritten("".join(item["text"]))} if "text" in item else dict(item)
            for item in self._items
        ]

    def _empty(self) -> None:
        self._items: list[dict[str, Any]] = []  # the text of a stream is a list of pieces
        self._sizes: list[int] = []
        self._shown: dict[str, list[int]] = {}  # places in the above by display id
        self.size = 0  # about how many bytes they are
        self._clear = self._full = False

    def _resize(self, at: int, size: int) -> None:
        self.size += size - self._sizes[at]
        self._sizes[at] = size

    def _append(self, item: dict[str, Any], size: int) -> None:
        self._items.append(item)
        self._sizes.append(size)
        self.size += size

    def _add(self, kind: str, content: dict[str, Any]) -> bool:
        size = len(json.dumps(content))
        if self._full or not self._fits(size):
            return False
        last = self._items[-1] if self._items else {}
        if kind == "stream" and last.get("name") == content["name"] and last["output_type"] == "stream":
            last["text"].append(content["text"])
            self._resize(-1, self._sizes[-1] + size)
            return True
        self._append(self._item(kind, content), size)
        name = (content.get("transient") or {}).get("display_id")
        if name:
            self._shown.setdefault(name, []).append(len(self._items) - 1)
        return True

    def _item(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        if kind == "stream":
            return {"output_type": kind, "name": content["name"], "text": [content["text"]]}
        names = {
            "display_data": ("data", "metadata"),
            "execute_result": ("data", "metadata", "execution_count"),
            "error": ("ename", "evalue", "traceback"),
        }[kind]
        return {"output_type": kind, **{name: content.get(name) for name in names}}

    def _update(self, content: dict[str, Any]) -> bool:
        places = self._shown.get((content.get("transient") or {}).get("display_id") or "", [])
        if not places:
            return False  # another cell's, as most are
        size = len(json.dumps(content))
        if self.size + size * len(places) > 2 * LIMIT:
            return False
        for at in places:
            self._items[at].update(data=content.get("data"), metadata=content.get("metadata") or {})
            self._resize(at, size)
        return True

    def _fits(self, size: int) -> bool:
        """Make room by forgetting what was overwritten; where there is none, say so once."""
        if self.size + size <= LIMIT:
            return True
        for number, item in enumerate(self._items):
            if "text" in item:
                item["text"] = [overwritten("".join(item["text"]))]
                self._resize(number, len(item["text"][0]))
        if self.size + size <= LIMIT // 2 or (self.size + size <= LIMIT and size > LIMIT // 2):
            return True
        self._full = True
        self._append({"output_type": "stream", "name": "stderr", "text": [TOO_MUCH]}, len(TOO_MUCH))
        return False


def overwritten(text: str) -> str:
    """Return what a terminal still shows of a text with carriage returns and backspaces.

    As nbclient and JupyterLab do, in a time that grows as the text does: this runs where Jupyter answers.
    """
    if "\x08" in text:
        text = "\n".join(erased(line) for line in text.split("\n"))
    # Anchored, because else each character of a long line is tried as a beginning.
    return re.sub(r"(?m)^.*\r(?=[^\n])", "", text)


def erased(line: str) -> str:
    """Return a line without what backspaces took away; one at its beginning takes nothing."""
    first, *others = line.split("\x08")
    left = list(first)
    for other in others:
        del left[-1:]
        left.extend(other)
    return "".join(left)


class Run:
    """One execution of one cell."""

    def __init__(self, request: str, session: str, cell: str, code: str) -> None:
        self.request, self.session, self.cell, self.code = request, session, cell, code
        self.state = "waiting"
        self.count: int | None = None
        self.outputs = Outputs()
        self.version = self.kept = 0  # the newest, and the one that the file has or is not to have
        self.changed = 0.0
        self.written = ""
        self.followers: dict[str, float] = {}  # sessions of pages, and when they asked

    @property
    def size(self) -> int:
        """About how many bytes are kept of it."""
        return self.outputs.size + len(self.code)

    def hear(self, kind: str, content: dict[str, Any]) -> None:
        """Take a message of the kernel about this execution."""
        if kind == "status":
            if content["execution_state"] == "idle":
                self.end()
            return
        if kind == "execute_input":
            self.state, self.count = "running", content.get("execution_count")
        elif not self.outputs.take(kind, content):
            return
        self.touch()

    def end(self) -> None:
        """Note that nothing more comes."""
        if self.state != "ended":
            self.state = "ended"
            self.version += 1

    def touch(self) -> None:
        """Note that there is something new."""
        self.version += 1
        self.changed = time.time()

    def put_into(self, notebook: Any, saved: float) -> bool:
        """Put the outputs into a notebook that was saved at that time, if they belong there and are newer."""
        cell = cell_of(notebook["cells"], self.cell, self.code)
        if self.count is None or cell is None or saved > self.changed + 2:
            return False
        outputs = self.outputs.rendered()
        if cell["outputs"] == outputs and cell["execution_count"] == self.count:
            return False
        nodes = type(notebook)
        cell["outputs"] = [nodes(output) for output in outputs]
        cell["execution_count"] = self.count
        cell["metadata"]["trusted"] = True  # as a page does with what it executed itself
        return True

    def told(self, seen: int | None) -> dict[str, Any]:
        """Return what a page is told that has seen some version, or none."""
        return {
            "request": self.request,
            "cell": self.cell,
            "code": self.code,
            "state": self.state,
            "count": self.count,
            "version": self.version,
            "outputs": self.outputs.rendered() if seen != self.version else None,
            "written": self.written,
            "unsaved": self.kept != self.version,
        }


def cell_of(cells: list[Any], name: str, code: str) -> Any:
    """Return the code cell of that id whose source is this code; None where there is none that is surely it."""
    of_code = [cell for cell in cells if cell["cell_type"] == "code" and cell["source"] == code]
    if any("id" in cell for cell in cells):
        of_code = [cell for cell in of_code if cell.get("id") == name]
    return of_code[0] if len(of_code) == 1 else None


class Kernel:
    """What is known of one kernel: the pages that are connected to it, and the executions of its cells."""

    def __init__(self) -> None:
        self.ear: Any = None
        self.path = ""
        self.pages: dict[str, Any] = {}  # connections by session
        self.lost: dict[str, float] = {}  # sessions that may come back, and until when they are waited for
        self.runs: dict[str, Run] = {}  # the last of each cell
        self.requests: dict[str, Run] = {}
        self.timer: Any = None
        self.last = 0.0

    def attended(self, run: Run) -> bool:
        """Tell whether a page is there that has the outputs of an execution, and saves them."""
        now = time.monotonic()
        return any(
            session in self.pages or self.lost.get(session, 0) > now or asked + ASKED_S > now
            for session, asked in {run.session: -ASKED_S, **run.followers}.items()
        )

    def add(self, run: Run) -> None:
        before = self.runs.pop(run.cell, None)
        if before is not None:
            self.requests.pop(before.request, None)
        self.runs[run.cell] = self.requests[run.request] = run

    def drop(self, run: Run) -> None:
        self.runs.pop(run.cell, None)
        self.requests.pop(run.request, None)


class Keeper:
    """Listens to all kernels of one Jupyter server.

    Args:
        app: The server.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._kernels: dict[str, Kernel] = {}
        self._writing = asyncio.Lock()
        self._tasks: set[Any] = set()

    # what connections tell

    def opened(self, connection: Any) -> None:
        for gone in [name for name in self._kernels if name not in self._app.kernel_manager]:
            self._forget(gone)
        name = connection.kernel_id
        kernel = self._kernels.setdefault(name, Kernel())
        kernel.pages[connection.session.session] = connection
        kernel.lost.clear()
        note_leaving(connection)
        if kernel.ear is None or kernel.ear.closed():
            manager = connection.kernel_manager
            session = Session(key=manager.session.key, signature_scheme=manager.session.signature_scheme)
            kernel.ear = manager.connect_iopub()
            kernel.ear.on_recv(lambda parts: self._guarded(self._heard, name, session, parts))

    def asked(self, connection: Any, message: Any) -> None:
        channel, header, metadata, content = parsed(message, connection.subprotocol)
        cell = metadata.get("cellId")
        kernel = self._kernels.get(connection.kernel_id)
        if channel == "shell" and header.get("msg_type") == "execute_request" and cell and kernel:
            kernel.add(Run(header["msg_id"], connection.session.session, str(cell), content["code"]))
            self._bound()

    def closed(self, connection: Any) -> None:
        name, session = connection.kernel_id, connection.session.session
        kernel = self._kernels.get(name)
        if kernel is None or kernel.pages.get(session) is not connection:
            return
        del kernel.pages[session]
        if getattr(connection, "vml_left", False) or kernel.pages:
            for run in kernel.runs.values():
                run.followers.pop(session, None)
            self._later(name, 0)
        else:
            kernel.lost[session] = time.monotonic() + LOST_S
            self._later(name, LOST_S + 0.1)

    def told(self, name: str, client: str, seen: dict[str, int]) -> list[dict[str, Any]]:
        """Return the executions that another page asked for, for one that is here now and sees to them from now on."""
        kernel = self._kernels.get(name)
        answer = []
        for run in kernel.runs.values() if kernel else ():
            if run.session not in (client, *kernel.pages):  # type: ignore[union-attr]
                run.followers[client] = time.monotonic()
                answer.append(run.told(seen.get(run.request)))
        if answer:
            self._later(name, ASKED_S + 1)  # for one that asked and did not stay
        return answer

    # what kernels tell

    def _heard(self, name: str, session: Session, parts: Any) -> None:
        kernel = self._kernels[name]
        _, parts = session.feed_identities(parts)
        header, parent = json.loads(parts[1]), json.loads(parts[2])
        kind = header["msg_type"]
        content = json.loads(parts[4]) if kind == "status" else {}
        if content.get("execution_state") == "starting" or kind == "update_display_data":
            runs = list(kernel.runs.values())
        else:
            runs = [kernel.requests[parent["msg_id"]]] if parent.get("msg_id") in kernel.requests else []
        if runs and not content:
            content = json.loads(parts[4])
        if content.get("execution_state") == "starting":  # which ends whatever was begun before
            for run in runs:
                run.end()
        for run in runs:
            run.hear(kind, content)
            if not kernel.attended(run) and run.kept != run.version and run.count is not None:
                soon = 0.0 if run.state == "ended" else kernel.last + EVERY_S - time.monotonic()
                self._later(name, max(soon, 0.0))
        if any(run.state == "ended" for run in runs):
            self._bound()

    # what is written

    def _later(self, name: str, seconds: float) -> None:
        """Write what is unattended in so many seconds, or earlier where that is planned."""
        loop = asyncio.get_event_loop()
        kernel = self._kernels[name]
        when = loop.time() + seconds
        if kernel.timer is not None:
            if kernel.timer.when() <= when:
                return
            kernel.timer.cancel()
        kernel.timer = loop.call_at(when, self._begin, name)

    def _begin(self, name: str) -> None:
        self._kernels[name].timer = None
        task = asyncio.ensure_future(self._write(name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, name: str) -> None:
        async with self._writing:
            kernel = self._kernels.get(name)
            if kernel is None:
                return
            kernel.last = time.monotonic()
            runs = [
                run for run in kernel.runs.values() if run.kept != run.version and not kernel.attended(run)
            ]
            try:
                if runs:
                    await self._put(name, kernel, runs)
                    self._bound()
            except Exception:  # a file that is gone, a disk that is full: tried again when more comes
                self._app.log.warning("vml: outputs were not written", exc_info=True)

    async def _put(self, name: str, kernel: Kernel, runs: list[Run]) -> None:
        for session in await ensure_async(self._app.session_manager.list_sessions()):
            if session["kernel"]["id"] == name and session["type"] == "notebook":
                kernel.path = session["path"]
        if not kernel.path:
            return
        contents = self._app.contents_manager
        before = stamp(contents, kernel.path)
        model = await ensure_async(contents.get(kernel.path, content=True, type="notebook"))
        notebook, saved = model["content"], model["last_modified"]
        versions = {run.request: run.version for run in runs}
        put = [run for run in runs if run.put_into(notebook, saved.timestamp())]
        if put:
            if before:
                written = replaced(contents, kernel.path, notebook, before)
            else:
                written = await saved_by(contents, kernel.path, notebook, saved)
            if not written:  # by somebody else, this moment
                self._later(name, EVERY_S)
                return
            now = await ensure_async(contents.get(kernel.path, content=False))
            for run in put:
                run.written = now["last_modified"].isoformat()
        for run in runs:
            run.kept = versions[run.request]

    # what is forgotten

    def _bound(self) -> None:
        """Forget executions that ended, where all together are too much.

        First the oldest that are in their files, then those that a page has and sees to. What no page has and no
        file yet is kept until it was written, when this is looked at again.
        """
        ended = [
            (run.kept != run.version, run.changed, kernel, run)
            for kernel in self._kernels.values()
            for run in kernel.runs.values()
            if run.state == "ended" and (run.kept == run.version or kernel.attended(run))
        ]
        size = sum(run.size for kernel in self._kernels.values() for run in kernel.runs.values())
        for _, _, kernel, run in sorted(ended, key=lambda each: each[:2]):
            if size <= ALL:
                return
            kernel.drop(run)
            size -= run.size

    def _forget(self, name: str) -> None:
        kernel = self._kernels.pop(name)
        if kernel.timer is not None:
            kernel.timer.cancel()
        if kernel.ear is not None and not kernel.ear.closed():
            kernel.ear.close()

    def _guarded(self, call: Any, *arguments: Any) -> None:
        """Call what must never stand in the way of Jupyter itself."""
        try:
            call(*arguments)
        except Exception:
            self._app.log.warning("vml: outputs may not be kept", exc_info=True)

    def hearing(self, connections: Any) -> Any:
        """Return a class of connections of pages to kernels that tells this keeper."""
        keeper = self

        class Heard(connections):  # type: ignore[misc]
            def connect(self) -> Any:
                keeper._guarded(keeper.opened, self)
                return super().connect()

            def handle_incoming_message(self, incoming_msg: Any) -> None:
                keeper._guarded(keeper.asked, self, incoming_msg)
                super().handle_incoming_message(incoming_msg)

            def disconnect(self) -> None:
                keeper._guarded(keeper.closed, self)
                super().disconnect()

        return Heard


def note_leaving(connection: Any) -> None:
    """Note when a page takes its leave, which tornado does not tell from a connection that broke."""
    protocol = connection.websocket_handler.ws_connection
    close = protocol.close

    def closing(*arguments: Any, **more: Any) -> Any:
        if protocol.client_terminated and not protocol.server_terminated:
            connection.vml_left = True
        return close(*arguments, **more)

    protocol.close = closing


def stamp(contents: Any, path: str) -> tuple[int, ...]:
    """Return what tells a notebook's file from any later one; empty where it may not be a plain file of that name."""
    plain = type(contents).__module__.startswith("jupyter_server.services.contents.")
    if not plain or not path.endswith(".ipynb") or not hasattr(contents, "_get_os_path"):
        return ()
    now = os.stat(contents._get_os_path(path))
    return now.st_ino, now.st_mtime_ns, now.st_size


def replaced(contents: Any, path: str, notebook: Any, before: tuple[int, ...]) -> bool:
    """Replace a notebook's file as a whole, unless it changed; Jupyter writes in place, and a page may read it."""
    contents.check_and_sign(notebook, path)
    written: Any = nbformat.writes
    text = written(notebook, version=nbformat.NO_CONVERT)
    target = os.path.realpath(contents._get_os_path(path))
    handle, temporary = tempfile.mkstemp(prefix=".~", dir=os.path.dirname(target))
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        shutil.copymode(target, temporary)
        if stamp(contents, path) != before:
            return False
        os.replace(temporary, target)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    return True


async def saved_by(contents: Any, path: str, notebook: Any, saved: Any) -> bool:
    """Have another manager of contents save a notebook, unless somebody else did meanwhile."""
    now = await ensure_async(contents.get(path, content=False))
    if now["last_modified"] != saved:
        return False
    await ensure_async(contents.save({"type": "notebook", "format": "json", "content": notebook}, path))
    return True


def parsed(message: Any, subprotocol: str | None) -> tuple[str, Any, Any, Any]:
    """Return channel, header, metadata and content of what a page says; empty where it executes nothing."""
    from jupyter_server.services.kernels.connection import base

    nothing: tuple[str, Any, Any, Any] = ("", {}, {}, {})
    if subprotocol == V1:
        taken_apart: Any = base.deserialize_msg_from_ws_v1
        channel, parts = taken_apart(message)
        header = json.loads(parts[0])
        if header["msg_type"] != "execute_request":
            return nothing
        return channel, header, json.loads(parts[2]), json.loads(parts[3])
    if isinstance(message, bytes):
        return nothing  # with buffers, which no execution has
    said = json.loads(message)
    return said.get("channel") or "shell", said["header"], said.get("metadata") or {}, said["content"]


class OutputsHandler(APIHandler):
    def initialize(self, keeper: Keeper) -> None:
        self._keeper = keeper

    @web.authenticated
    async def post(self) -> None:
        asked: Any = self.get_json_body()
        try:
            kernel, client, seen = str(asked["kernel"]), str(asked["client"]), dict(asked.get("seen") or {})
        except (AttributeError, KeyError, TypeError, ValueError):
            raise web.HTTPError(400, "It takes kernel, client and what was seen") from None
        self.finish(json.dumps({"runs": self._keeper.told(kernel, client, seen)}))


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "vml_keep"}]


def _load_jupyter_server_extension(app: Any) -> None:
    settings = app.web_app.settings
    connections = settings.get("kernel_websocket_connection_class")
    needed = ("connect", "handle_incoming_message", "disconnect", "kernel_id")
    if not all(hasattr(connections, name) for name in needed) or not hasattr(app, "session_manager"):
        app.log.warning("vml: this Jupyter cannot keep what cells print while no page looks")
        return
    keeper = Keeper(app)
    settings["kernel_websocket_connection_class"] = keeper.hearing(connections)
    base = settings["base_url"].rstrip("/")
    app.web_app.add_handlers(".*$", [(base + "/vml/outputs", OutputsHandler, {"keeper": keeper})])


load_jupyter_server_extension = _load_jupyter_server_extension
