"""The pages without JupyterLab: for who is logged in; what entries say is text there; and they give launchers."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable
from html import unescape
from typing import Any, cast

import pytest
from tornado.httpclient import HTTPClientError, HTTPResponse

from vml_jupyter.model import Entry

HOSTILE = '<script>alert("x")</script> & co'


@pytest.fixture
def entry(launchable: Callable[..., Entry]) -> Entry:
    """An entry whose title and note would like to be HTML."""
    return launchable(title=HOSTILE, note="see <b>this</b>")


@pytest.fixture
def get(jp_fetch: Any) -> Any:
    async def get(*path: str, method: str = "GET", **options: Any) -> HTTPResponse:
        try:
            return await jp_fetch(*path, method=method, **options)
        except HTTPClientError as refused:
            return cast(HTTPResponse, refused.response)

    return get


def text(answer: HTTPResponse) -> str:
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return answer.body.decode()


async def test_an_empty_logbook_says_how_to_begin(get: Any, vml: Any) -> None:
    answer = await get("vml", "")
    assert answer.code == 200
    assert "The logbook is empty" in text(answer)


async def test_the_list_can_be_searched(get: Any, entry: Entry) -> None:
    found = text(await get("vml", ""))
    assert f'vml/entries/{entry.id}">' in found
    assert HOSTILE not in found
    assert HOSTILE in unescape(found)
    assert "CernVM 4.5.0.1" in found
    assert entry.id in text(await get("vml", "", params={"q": "ALERT fit"}))
    other = text(await get("vml", "", params={"q": '"nothing'}))
    assert "No entry has these words" in other
    assert 'value="&#34;nothing"' in other


async def test_no_script_runs_there(get: Any, entry: Entry) -> None:
    answer = await get("vml", "entries", entry.id)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in policy
    page = text(answer)
    assert "<script" not in page
    assert "see &lt;b&gt;this" in page
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy


async def test_a_launcher_is_made_and_is_the_one_that_is_shown(get: Any, vml: Any, entry: Entry) -> None:
    assert "to be downloaded" in text(await get("vml", "entries", entry.id))
    begun = await get("vml", "entries", entry.id, method="POST", body="", follow_redirects=False)
    assert begun.code == 303
    where, _, job = begun.headers["Location"].partition("?job=")
    assert where.endswith(f"vml/entries/{entry.id}")
    while vml.desk.get(job).active:
        waiting = await get("vml", "entries", entry.id, params={"job": job})
        if "is being made" in text(waiting):
            assert waiting.headers["Refresh"] == "2"
        await asyncio.sleep(0.05)
    page = text(await get("vml", "entries", entry.id, params={"job": job}))
    digest = re.search(r'id="digest">([0-9a-f]{64})<', page)
    assert digest is not None
    given = await get("vml", "entries", entry.id, "launcher", digest[1])
    assert hashlib.sha256(given.body).hexdigest() == digest[1] == given.headers["X-Vml-Sha256"]
    assert f'filename="vml-launch-{entry.id}.py"' in given.headers["Content-Disposition"]
    assert "it is here" in page
    journals = "".join(file.read_text() for file in (vml.user_settings.data / "jobs").glob("*"))
    pairing = re.search(r'"pairing": "([^"]+)"', given.body.decode())
    assert pairing is not None
    assert digest[1] in journals
    assert pairing[1] not in journals


async def test_a_launcher_that_is_not_kept_is_said_to_be_so(get: Any, entry: Entry) -> None:
    assert (await get("vml", "entries", entry.id, "launcher", "0" * 64)).code == 404
    again = text(await get("vml", "entries", entry.id, params={"job": "none"}))
    assert "Make launcher" in again


async def test_what_is_not_there_is_told_in_words(get: Any, entry: Entry) -> None:
    answer = await get("vml", "entries", "zzzz")
    assert answer.code == 404
    assert 'role="alert"' in text(answer)


async def test_a_launcher_that_cannot_be_made_says_why(get: Any, vml: Any, entry: Entry) -> None:
    vml.user_settings = vml.user_settings.using(release_urls=("http://127.0.0.1:9",))
    begun = await get("vml", "entries", entry.id, method="POST", body="", follow_redirects=False)
    job = begun.headers["Location"].partition("?job=")[2]
    while vml.desk.get(job).active:
        await asyncio.sleep(0.05)
    page = text(await get("vml", "entries", entry.id, params={"job": job}))
    assert "The launcher could not be made" in page
    assert "Make launcher" in page


async def test_who_is_not_logged_in_is_led_to_the_login(get: Any, vml: Any) -> None:
    answer = await get("vml", "", headers={"Authorization": ""}, follow_redirects=False)
    assert answer.code == 302
    assert "/login?next=" in answer.headers["Location"]


async def test_a_form_of_another_site_is_refused(get: Any, vml: Any, entry: Entry) -> None:
    headers = {"Authorization": "", "Origin": "https://evil.example.org"}
    answer = await get("vml", "entries", entry.id, method="POST", body="", headers=headers)
    assert answer.code in (403, 404)
    assert vml.desk.jobs() == []
