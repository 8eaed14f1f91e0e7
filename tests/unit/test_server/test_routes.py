"""Every route that there is asks who is there: without a token, with a wrong one, and from another origin."""

from __future__ import annotations

from typing import Any

import pytest
from jupyter_server.base.handlers import JupyterHandler
from tornado.httpclient import HTTPClientError

from vml_jupyter.server.routes import routes

VERBS = ("get", "post", "put", "patch", "delete")


def walked(vml: Any) -> list[tuple[str, str]]:
    """Return every verb and path that the routes answer, by their own table: a new one cannot be forgotten."""
    found = []
    for pattern, handler, *_ in routes(vml):
        path = _filled(pattern)
        for verb in VERBS:
            if getattr(handler, verb, None) is not getattr(JupyterHandler, verb):
                found.append((verb.upper(), path))
    return found


def _filled(pattern: str) -> str:
    for group, value in (
        (r"([0-9A-Za-z-]+)", "m1"),
        (r"([0-9A-Za-z._-]+)", "name"),
        ("(start|stop|suspend|resume)", "stop"),
        ("(?:/.*)?", "/lab"),
        (r"(context\.iso|area\.iso|image)", "image"),
    ):
        pattern = pattern.replace(group, value)
    assert not set("()[]|*+?").intersection(pattern), f"a path for {pattern} is missing here"
    return pattern


async def status(jp_fetch: Any, verb: str, path: str, **options: Any) -> int:
    try:
        response = await jp_fetch(
            *path.strip("/").split("/"),
            method=verb,
            allow_nonstandard_methods=True,
            follow_redirects=False,
            body="{}" if verb in ("POST", "PUT", "PATCH") else None,
            **options,
        )
    except HTTPClientError as refused:
        return int(refused.code)
    return int(response.code)


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": ""}, {"Authorization": "token wrong"}],
    ids=["without-token", "wrong-token"],
)
async def test_nobody_gets_in_without_the_token(
    jp_fetch: Any, vml: Any, flows: Any, headers: dict[str, str]
) -> None:
    for verb, path in walked(vml):
        got = await status(jp_fetch, verb, path, headers=headers)
        assert got in (302, 401, 403), (verb, path, got)
    assert flows.calls == []


async def test_pages_of_other_origins_change_nothing(jp_fetch: Any, vml: Any, flows: Any) -> None:
    """A browser sends no token of ours with them, only cookies, and those count with the XSRF token alone."""
    headers = {"Authorization": "", "Origin": "https://evil.example.org", "Cookie": "username-localhost=x"}
    for verb, path in walked(vml):
        got = await status(jp_fetch, verb, path, headers=headers)
        assert got in (302, 401, 403, 404), (verb, path, got)  # 404 is what Jupyter says to other origins
    assert flows.calls == []


def test_the_walk_goes_everywhere(vml: Any) -> None:
    assert len({path for _, path in walked(vml)}) == len({pattern for pattern, *_ in routes(vml)})
