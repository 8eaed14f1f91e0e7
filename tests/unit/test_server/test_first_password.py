"""The first password of a server that began with a token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from jupyter_server.auth import passwd_check
from tornado.httpclient import HTTPClientError, HTTPResponse

from vml_jupyter.appliance.recipe import IMAGE_DATA

TOKEN = "0123456789abcdef"
PASSWORD = "correct horse battery"
LOCAL = IMAGE_DATA / "rootfs/usr/local"


@pytest.fixture
def jp_server_config(jp_server_config: dict[str, Any]) -> dict[str, Any]:
    """As the VML VM has it."""
    theirs = json.loads((LOCAL / "etc/jupyter/jupyter_server_config.json").read_text())["ServerApp"]
    server = jp_server_config["ServerApp"] | {
        "identity_provider_class": theirs["identity_provider_class"],
        "extra_template_paths": [str(LOCAL / "share/vml/templates")],
    }
    return jp_server_config | {"ServerApp": server, "IdentityProvider": {"token": TOKEN}}


async def status(fetch: Any, *path: str, token: str = "", **form: str) -> int:
    """Ask as nobody, or with a token; or send the login form. Return the status of the answer."""
    headers = {"Authorization": f"token {token}" if token else "none"}
    body = urlencode(form) if form else None
    try:
        answer: HTTPResponse = await fetch(
            *path, method="POST" if form else "GET", body=body, headers=headers, follow_redirects=False
        )
    except HTTPClientError as refused:
        return refused.code
    return answer.code


async def test_the_token_ends_when_a_password_was_set_with_it(
    jp_fetch: Any, jp_serverapp: Any, jp_config_dir: Path
) -> None:
    jp_serverapp.web_app.settings["disable_check_xsrf"] = True  # no form was fetched
    assert "Set a password" in (await jp_fetch("login", headers={"Authorization": "none"})).body.decode()
    assert await status(jp_fetch, "api", "kernels", token=TOKEN) == 200

    assert await status(jp_fetch, "login", password="wrong", new_password=PASSWORD) == 401
    assert await status(jp_fetch, "api", "kernels", token=TOKEN) == 200

    assert await status(jp_fetch, "login", password=TOKEN, new_password=PASSWORD) == 302
    assert await status(jp_fetch, "api", "kernels", token=TOKEN) == 403
    assert await status(jp_fetch, "login", password=TOKEN, new_password="another one") == 401
    assert await status(jp_fetch, "login", password=TOKEN) == 401
    assert await status(jp_fetch, "login", password=PASSWORD) == 302
    page = (await jp_fetch("login", headers={"Authorization": "none"})).body.decode()
    assert "Set a password" not in page
    kept = json.loads((jp_config_dir / "jupyter_server_config.json").read_text())
    assert passwd_check(kept["IdentityProvider"]["hashed_password"], PASSWORD)
