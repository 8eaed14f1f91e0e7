"""The Jupyter of a warm machine: does what is slow at first, and is told later whose it is.

One file that is unpacked into the guest and loaded by its Jupyter as a server extension; it speaks with the machine's
agent over a socket pair, JSON lines (``VML_EAR`` is its end's number):

    <- {"do": "warm"}                                                   start a kernel, import numpy in it, end it
    <- {"do": "adopt", "token": ..., "origin": ...}                     know whose it is, while its area is mounted
    <- {"do": "open", "root_dir": ..., "ip": "0.0.0.0", "port": 8888}   answer there
    -> {"done": true}  or  {"error": "..."}

jupyter_server 2 reads token, origin, secrets and root for each request from traits and settings, so they can be set
while it runs. What is built into its handlers, as the base URL is, cannot; then the agent starts it anew.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import importlib
import json
import os
import random
import socket
import ssl
from pathlib import Path
from typing import Any

LINE_LIMIT = 64 * 1024
_KERNEL_S = 180
_FILES_S = 2.0


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "jupyter_adopt"}]


def _load_jupyter_server_extension(app: Any) -> None:
    ear = os.environ.pop("VML_EAR", "")  # it is not for the kernels that inherit this environment
    if ear:
        link = socket.socket(fileno=int(ear))
        os.set_inheritable(link.fileno(), False)
        app.io_loop.add_callback(_listen, app, link)


async def _listen(app: Any, link: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=link, limit=LINE_LIMIT)
    while line := await reader.readline():
        try:
            wish = json.loads(line)
            await {"warm": _warm, "adopt": _adopt, "open": _open}[wish["do"]](app, wish)
            answer: dict[str, Any] = {"done": True}
        except Exception as error:  # whatever it is, the agent then starts Jupyter anew
            app.log.exception("vml: it could not be done")
            answer = {"error": f"{type(error).__name__}: {error}"}
        writer.write(json.dumps(answer).encode("ascii") + b"\n")
        await writer.drain()


async def _warm(app: Any, wish: dict[str, Any]) -> None:
    """Read a notebook, and run one cell in a kernel of the default kind, so that all code for that is in memory."""
    nbformat = importlib.import_module("nbformat")
    nbformat.validate(nbformat.reads(nbformat.writes(nbformat.v4.new_notebook()), as_version=4))
    app.identity_provider.token  # noqa: B018 - one that has none cannot be told a token later
    manager = app.kernel_manager
    kernel = await manager.start_kernel()
    client = manager.get_kernel(kernel).client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=_KERNEL_S)
        await client._async_execute_interactive(
            "import numpy", store_history=False, timeout=_KERNEL_S, output_hook=lambda _: None
        )
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(kernel, now=True)


async def _adopt(app: Any, wish: dict[str, Any]) -> None:
    random.seed()
    ssl.RAND_add(os.urandom(64), 64.0)
    _set_secrets(app, wish["token"])
    if wish["origin"]:
        app.allow_origin = app.web_app.settings["allow_origin"] = wish["origin"]


async def _open(app: Any, wish: dict[str, Any]) -> None:
    _set_root(app, wish["root_dir"])
    app.http_server.stop()
    app.ip = wish["ip"]
    app.http_server.listen(wish["port"], app.ip)
    app.io_loop.call_later(_FILES_S, _write_files, app)


def _write_files(app: Any) -> None:
    """Say where it is to programs of the same machine, which nobody waits for."""
    app.write_server_info_file()
    if not getattr(app, "no_browser_open_file", False):
        app.write_browser_open_files()


def _set_secrets(app: Any, token: str) -> None:
    settings = app.web_app.settings
    page = settings.get(
        "page_config_data", {}
    )  # what JupyterLab's pages say, some of it from when it started
    page.update({name: token for name in page if page[name] == app.identity_provider.token})
    app.identity_provider.token = token
    if "token" in settings:
        settings["token"] = token
    # As Jupyter Server makes them itself: the file holds what the secret is derived from.
    key = base64.encodebytes(os.urandom(32))
    app._write_cookie_secret_file(key)
    app.cookie_secret = settings["cookie_secret"] = hmac.new(key, digestmod=hashlib.sha256).digest()
    notary = app.contents_manager.notary
    notary.secret = os.urandom(1024)
    if Path(notary.secret_file).exists():
        notary._write_secret_file(notary.secret)


def _set_root(app: Any, root_dir: str) -> None:
    settings = app.web_app.settings
    before = app.root_dir
    app.root_dir = root_dir
    for manager in (app.contents_manager, app.kernel_manager):
        manager.root_dir = root_dir
    app.contents_manager.preferred_dir = ""
    home = f"{Path.home()}{os.sep}"
    settings["server_root_dir"] = f"~/{root_dir[len(home) :]}" if root_dir.startswith(home) else root_dir
    terminals = settings.get("terminal_manager")
    if terminals is not None:
        terminals.extra_env["JUPYTER_SERVER_ROOT"] = root_dir
    page = settings.get("page_config_data", {})
    page.pop("serverRoot", None)  # asked for anew
    for name in ("rootUri", "virtualDocumentsUri"):
        if str(page.get(name, "")).startswith(f"file://{before}"):
            page[name] = f"file://{root_dir}{page[name][len(f'file://{before}') :]}"
