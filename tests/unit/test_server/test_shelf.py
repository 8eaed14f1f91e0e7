"""Routes that look into entries, over a real logbook: what they reply, whom they let in, where they do not lead."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from tornado.httpclient import HTTPClientError

from vml_jupyter.errors import Cancelled
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.entries import list_entries, opened
from vml_jupyter.model import Entry, Query
from vml_jupyter.repository import Snapshot
from vml_jupyter.server.shelf import Shelf

from .fake_flows import FakeFlows

ROUTES = [
    ("GET", "preview"),
    ("GET", "entries/entry1/details"),
    ("GET", "entries/entry1/folder"),
    ("GET", "entries/entry1/file"),
    ("GET", "entries/entry1/changes"),
    ("GET", "entries/entry1/file-change"),
    ("POST", "entries/entry1/restore-files"),
    ("POST", "bin/empty"),
]


@pytest.fixture
def area(jp_root_dir: Path) -> Path:
    area = jp_root_dir / "fits"
    (area / "sub").mkdir(parents=True)
    (area / "a.txt").write_text("one\n")
    (area / "sub" / "evil.html").write_text("<script>alert(1)</script>")
    (jp_root_dir.parent / "secret.txt").write_text("not below the root")
    return area


@pytest.fixture
def entry(vml: Any, flows: FakeFlows, area: Path) -> Entry:
    """The first entry of a real logbook, which the routes of this file read."""
    vml.shelf = Shelf(vml.user_settings)
    return capture(vml.user_settings, area, title="first")


@pytest.fixture
def ask(api: Any, entry: Entry) -> Any:
    """Call the API with a path that may have a query, and with ID for the entry."""

    async def call(method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        from urllib.parse import parse_qsl

        path, _, query = path.replace("ID", entry.id).partition("?")
        return await api(method, path, body, params=dict(parse_qsl(query, keep_blank_values=True)), **options)

    return call


async def test_a_preview_tells_and_writes_nothing(ask: Any, vml: Any, area: Path) -> None:
    (area / "new.bin").write_bytes(bytes(5000))
    status, body = await ask("GET", "preview?path=fits/a.txt")
    assert status == 200
    assert (body["files"], body["largest"][0]) == (3, {"path": "new.bin", "bytes": 5000})
    assert 0 < body["new_bytes"] < 5000
    assert len(list_entries(vml.user_settings)) == 1


async def test_an_entry_is_told_whole_and_where_its_folder_is(ask: Any) -> None:
    _, body = await ask("GET", "entries/ID/details")
    assert (body["entry"]["title"], body["here"], body["parent"]) == ("first", "fits", None)
    assert body["environment"]["packages"]


async def test_a_folder_that_is_not_shown_by_this_server_is_not_offered(
    ask: Any, vml: Any, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    other = capture(vml.user_settings, outside, title="elsewhere")
    _, body = await ask("GET", f"entries/{other.id}/details")
    assert body["here"] is None


async def test_files_are_listed_and_told_as_json_only(ask: Any, jp_fetch: Any, entry: Entry) -> None:
    _, body = await ask("GET", "entries/ID/folder?path=")
    assert [(item["name"], item["type"]) for item in body["items"]] == [("sub", "dir"), ("a.txt", "file")]
    response = await jp_fetch("vml", "api", "entries", entry.id, "file", params={"path": "sub/evil.html"})
    assert response.headers["Content-Type"].startswith("application/json")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert json.loads(response.body) == {"kind": "text", "text": "<script>alert(1)</script>", "cut": False}


async def test_what_changed_is_told_and_then_in_one_file(ask: Any, vml: Any, area: Path) -> None:
    (area / "a.txt").write_text("two\n")
    (area / "b.txt").write_text("new\n")
    other = capture(vml.user_settings, area, title="second")
    for side in ("path=fits", f"after={other.id}"):
        _, body = await ask("GET", f"entries/ID/changes?{side}")
        assert [(file["path"], file["kind"]) for file in body["files"]] == [
            ("a.txt", "changed"),
            ("b.txt", "added"),
        ]
        assert str(area) not in json.dumps(body)
        _, body = await ask("GET", f"entries/ID/file-change?{side}&file=a.txt")
        assert body["hunks"][0]["lines"] == [["-", "one"], ["+", "two"]]
    for query in ("", f"?path=fits&after={other.id}"):
        assert (await ask("GET", f"entries/ID/changes{query}"))[0] == 400


HOSTILE = {
    "entries/ID/file?path=../secret.txt": 404,
    "entries/ID/file?path=/etc/passwd": 404,
    "entries/ID/folder?path=..": 404,
    "entries/ID/folder?path=a.txt": 404,
    "entries/ID/file-change?path=fits&file=../secret.txt": 404,
    "entries/ID/file-change?path=fits&file=/etc/passwd": 404,
    "entries/ID/file-change?path=..&file=secret.txt": 400,
    "entries/ID/changes?path=..": 400,
    "entries/ID/file": 400,
    "entries/zz/details": 404,
    "preview?path=../": 400,
    "preview": 400,
}


async def test_what_others_do_to_the_logbook_meanwhile_is_seen(ask: Any, vml: Any, area: Path) -> None:
    """The logbook stays open between questions."""
    import shutil

    from vml_jupyter.flows.bin import empty_bin, forget
    from vml_jupyter.flows.upkeep import prune

    async def titles() -> list[str]:
        return [entry["title"] for entry in (await ask("GET", "entries"))[1]["entries"]]

    assert await titles() == ["first"]
    (area / "a.txt").write_text("two\n" * 1000)
    second = capture(vml.user_settings, area, title="second").id
    assert await titles() == ["second", "first"]
    assert (await ask("GET", f"entries/{second}/file?path=a.txt"))[1]["text"] == "two\n" * 1000
    forget(vml.user_settings, [second])
    empty_bin(vml.user_settings)
    prune(vml.user_settings, max_unused_percent=0)
    assert (await ask("GET", f"entries/{second}/details"))[0] == 404
    assert (await ask("GET", "entries/ID/file?path=a.txt"))[1]["text"] == "one\n"
    shutil.rmtree(vml.user_settings.logbook)
    assert (await ask("GET", "entries/ID/details"))[0] == 404
    for (
        file
    ) in vml.user_settings.password_file().parent.iterdir():  # the password, and that there was a logbook
        file.unlink()
    third = capture(vml.user_settings, area, title="of another logbook").id
    assert await titles() == ["of another logbook"]
    assert (await ask("GET", f"entries/{third}/folder"))[0] == 200


async def test_what_restic_wrote_is_listed_on_request_and_looked_into(
    ask: Any, vml: Any, entry: Entry
) -> None:
    with opened(vml.user_settings) as logbook, logbook.repository.lock():
        tree = logbook.find(entry.id).tree
        plain = Snapshot(time="2020-02-03T04:05:06.7+01:00", tree=tree, paths=["/a", "/b"], hostname="lxplus")
        snapshot = logbook.repository.save_snapshot(plain)

    async def listed(query: str) -> list[tuple[str, str]]:
        _, body = await ask("GET", f"entries{query}")
        return [(each["title"], each["writer"]) for each in body["entries"]]

    assert await listed("") == [("first", "")]
    assert await listed("?all=1") == [("first", ""), ("/a, /b on lxplus", "restic")]
    _, body = await ask("GET", f"entries/{snapshot[:8]}/details")
    assert (body["entry"]["files"], body["entry"]["time"]) == (2, "2020-02-03T03:05:06.7Z")
    _, body = await ask("GET", f"entries/{snapshot[:8]}/folder")
    assert [item["name"] for item in body["items"]] == ["sub", "a.txt"]
    assert (await ask("GET", f"entries/{snapshot[:8]}/file?path=a.txt"))[1]["text"] == "one\n"


async def test_an_entry_is_looked_through_and_exported(
    ask: Any, ended: Any, vml: Any, area: Path, jp_root_dir: Path
) -> None:
    (area / "key.py").write_text('api_key = "AKIAIOSFODNN7EXAMPLQ"\n')
    risky = capture(vml.user_settings, area, title="with a key")
    _, body = await ask("GET", f"entries/{risky.id}/secrets")
    assert {finding["path"] for finding in body["found"]} == {"key.py"}
    assert "AKIA" not in json.dumps(body)
    _, body = await ask("POST", f"entries/{risky.id}/export", {"to": "a.vml"})
    job = await ended(body["job"]["id"])
    assert (job["state"], job["error"]["code"]) == ("failed", "secrets-found")
    assert not (jp_root_dir / "a.vml").exists()
    _, body = await ask("POST", f"entries/{risky.id}/export", {"to": "a.vml", "leave_out": True})
    job = await ended(body["job"]["id"])
    size = (jp_root_dir / "a.vml").stat().st_size
    assert (job["state"], job["result"]) == (
        "done",
        {"path": "a.vml", "bytes": size, "left_out": ["key.py"]},
    )
    before = (jp_root_dir / "a.vml").read_bytes()
    status, body = await ask("POST", f"entries/{risky.id}/export", {"to": "a.vml", "allow_secrets": True})
    assert (status, body["code"], "'a-2.vml'" in body["hint"]) == (409, "would-overwrite", True)
    assert (jp_root_dir / "a.vml").read_bytes() == before
    for to in ("", "../a.vml", ".ssh/key", "no/such/folder/a.vml"):
        assert (await ask("POST", f"entries/{risky.id}/export", {"to": to}))[0] == 400
    assert (await ask("GET", "entries/zz/secrets"))[0] == 404


async def test_entries_say_whether_others_read_them_and_whose_they_are(
    ask: Any, vml: Any, entry: Entry
) -> None:
    async def told() -> tuple[bool, bool]:
        [listed] = (await ask("GET", "entries"))[1]["entries"]
        return listed["shared"], listed["foreign"]

    assert await told() == (False, False)
    with opened(vml.user_settings) as logbook:
        logbook.repository.keys.add("a colleague's", scrypt_n=2)
    vml.trusted.add_foreign(entry.id)
    assert await told() == (True, True)
    vml.trusted.add(entry.id)
    assert await told() == (True, False)


async def test_a_logbook_on_a_disk_that_is_away_is_not_taken_for_an_empty_one(
    ask: Any, vml: Any, tmp_path: Path
) -> None:
    place = Path(vml.user_settings.logbook)
    assert len((await ask("GET", "entries"))[1]["entries"]) == 1
    place.rename(tmp_path / "away")
    status, body = await ask("GET", "entries")
    assert (status, body["code"]) == (404, "logbook-missing")
    (tmp_path / "away").rename(place)
    assert len((await ask("GET", "entries"))[1]["entries"]) == 1


async def test_the_example_comes_into_a_folder_of_its_own(ask: Any, jp_root_dir: Path, area: Path) -> None:
    for to, path in (("", "vml-example"), ("", "vml-example-2"), ("fits", "fits/vml-example")):
        status, body = await ask("POST", "example", {"to": to})
        assert (status, body["path"]) == (201, f"{path}/dimuon.ipynb")
        assert {file.name for file in (jp_root_dir / path).iterdir()} == {"dimuon.ipynb", "dimuon.csv"}
    assert (await ask("POST", "example", {"to": ".."}))[0] == 400


async def test_other_pages_hear_what_this_one_did_to_an_entry(
    ask: Any, vml: Any, jp_serverapp: Any, entry: Entry
) -> None:
    from vml_jupyter.server import events
    from vml_jupyter.server.flows import Flows

    vml.flows = Flows(vml.user_settings)
    heard: list[tuple[str, str]] = []

    async def hear(logger: Any, schema_id: str, data: dict[str, str]) -> None:
        heard.append((data["entry"], data["change"]))

    jp_serverapp.event_logger.add_listener(schema_id=events.ENTRY_SCHEMA_ID, listener=hear)
    await ask("PATCH", "entries/ID", {"title": "other"})
    await ask("DELETE", "entries/ID")
    await ask("POST", "entries/ID/unforget")
    await ask("DELETE", "entries/ID")
    await ask("POST", "bin/empty", {"entries": [entry.id]})
    await jp_serverapp.event_logger.gather_listeners()
    changes = ["edited", "forgotten", "taken back", "forgotten", "removed"]
    assert heard == [(entry.id, change) for change in changes]


async def test_no_path_leads_out(ask: Any) -> None:
    for path, status in HOSTILE.items():
        answered, body = await ask("GET", path)
        assert (path, answered) == (path, status)
        assert "not below" not in str(body)


async def test_files_are_restored_beside(ask: Any, ended: Any, jp_root_dir: Path) -> None:
    status, body = await ask("POST", "entries/ID/restore-files", {"to": "again"})
    assert status == 202
    job = await ended(body["job"]["id"])
    assert (job["state"], job["result"]["path"], job["result"]["files"]) == ("done", "again", 2)
    assert (jp_root_dir / "again" / "a.txt").read_text() == "one\n"


async def test_what_is_in_the_way_is_kept_and_only_when_agreed(
    ask: Any, ended: Any, vml: Any, area: Path
) -> None:
    (area / "mine.txt").write_text("mine")
    status, body = await ask("POST", "entries/ID/restore-files", {"to": "fits"})
    assert (status, body["code"], "fits-2" in body["hint"]) == (409, "would-overwrite", True)
    assert (area / "mine.txt").exists()
    _, body = await ask("POST", "entries/ID/restore-files", {"to": "fits", "keep": True})
    result = (await ended(body["job"]["id"]))["result"]
    assert (area.parent / result["kept"] / "mine.txt").read_text() == "mine"
    assert not (area / "mine.txt").exists()
    assert result["captured"] in vml.trusted


@pytest.mark.parametrize(
    "to", ["", "/", "..", "../out", "fits/../../out", "a\0b", ".ssh/keys", "no/such/folder"]
)
async def test_files_are_not_restored_elsewhere(ask: Any, jp_root_dir: Path, to: str) -> None:
    before = sorted(jp_root_dir.parent.rglob("*"))
    for keep in (False, True):
        status, body = await ask("POST", "entries/ID/restore-files", {"to": to, "keep": keep})
        assert (status, body["code"]) == (400, "bad-area")
    assert sorted(jp_root_dir.parent.rglob("*")) == before


async def test_only_what_was_named_is_removed_from_the_bin(ask: Any, vml: Any, area: Path) -> None:
    from vml_jupyter.flows.bin import forget

    entries = [capture(vml.user_settings, area, title=f"{number}").id for number in range(2)]
    forget(vml.user_settings, entries)
    assert (await ask("POST", "bin/empty", {"entries": []}))[0] == 400
    assert (await ask("POST", "bin/empty", {"entries": ["ID"]}))[0] == 404
    status, body = await ask("POST", "bin/empty", {"entries": entries[:1]})
    assert (status, [entry["id"] for entry in body["entries"]]) == (200, entries[:1])
    assert [entry.id for entry in list_entries(vml.user_settings, Query(forgotten=True))] == entries[1:]


async def test_a_preview_that_nobody_waits_for_ends(vml: Any, entry: Entry, ask: Any, jp_fetch: Any) -> None:
    """The browser closes the connection when its dialog is closed."""
    begun, over = threading.Event(), threading.Event()

    class Slow(Shelf):
        def preview(self, area: Path, progress: Any) -> Any:
            try:
                while True:
                    progress.advance(0)
                    begun.set()
            except Cancelled:
                over.set()
                raise

    vml.shelf = Slow(vml.user_settings)
    with pytest.raises(HTTPClientError):
        await jp_fetch("vml", "api", "preview", params={"path": "fits"}, request_timeout=1.0)
    assert begun.is_set()
    assert await asyncio.to_thread(over.wait, 10)


@pytest.mark.parametrize("token", ["", "token wrong"])
async def test_nobody_else_is_let_in(api: Any, flows: FakeFlows, token: str) -> None:
    for method, path in ROUTES:
        status, body = await api(method, path, {"to": "out"}, headers={"Authorization": token})
        assert (status, body["code"]) == (403, "http-403")
    assert flows.calls == []


async def test_a_forged_request_is_refused(
    api: Any, jp_fetch: Any, jp_serverapp: Any, jp_root_dir: Path, flows: FakeFlows
) -> None:
    """A page elsewhere may send the user's cookie along, but not what proves that our page asked."""
    outside = {"headers": {"Authorization": ""}, "follow_redirects": False, "raise_error": False}
    form = await jp_fetch("login", **outside)
    entered = await jp_fetch("login", params={"token": jp_serverapp.identity_provider.token}, **outside)
    said = form.headers.get_list("Set-Cookie") + entered.headers.get_list("Set-Cookie")
    cookie = "; ".join(pair.split(";")[0] for pair in said)
    as_browser = {"Authorization": "", "Cookie": cookie}
    assert (await api("GET", "entries", headers=as_browser))[0] == 200
    for path in ("entries/entry1/restore-files", "bin/empty"):
        status, _ = await api("POST", path, {"to": "out", "entries": ["entry1"]}, headers=as_browser)
        assert status == 403
    assert [call[0] for call in flows.calls] == ["entries"]
    assert not (jp_root_dir / "out").exists()
