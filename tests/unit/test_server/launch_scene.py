"""What tests of launchers and a real Jupyter server share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from tornado.httpclient import HTTPResponse

from vml_jupyter.model import Entry

Ask = Callable[..., Awaitable[HTTPResponse]]
CLIENT = "a-token-that-the-script-chose-itself"


async def made(ask: Ask, entry: Entry) -> tuple[str, dict[str, Any]]:
    """Return a launcher's digest and configuration."""
    given = json.loads((await ask("POST", f"vml/api/entries/{entry.id}/launcher", body={})).body)
    assert given["sha256"] == hashlib.sha256(given["script"].encode()).hexdigest()
    assert given["name"] == f"vml-launch-{entry.id}.py"
    block = given["script"].partition("json.loads(r'''")[2].partition("''')")[0]
    return given["sha256"], json.loads(block)


async def paired(ask: Ask, entry: Entry) -> dict[str, Any]:
    digest, config = await made(ask, entry)
    said = await ask("POST", "vml/launches", config["pairing"], {"token": CLIENT, "script": digest})
    assert said.code == 200, said.body
    return json.loads(said.body)
