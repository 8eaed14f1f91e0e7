"""Launchers and a real Jupyter server: who may ask what, with which token, and how often."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from typing import Any

import msgspec
import pytest
from release_images import signed_disk

from vml_jupyter.flows.bin import forget
from vml_jupyter.flows.launch_records import Records
from vml_jupyter.model import Entry

from .launch_scene import CLIENT, Ask, made, paired


async def test_a_launcher_says_what_it_is_for(ask: Ask, entry: Entry, http_server_port: Any) -> None:
    _, config = await made(ask, entry)

    assert config["entry"] == entry.id
    assert config["title"] == "Fit"
    assert config["label"] == "CernVM 4.5.0.1"
    assert config["servers"] == [f"http://127.0.0.1:{http_server_port[1]}/a%40b/"]
    assert len(config["image"]["sha256"]) == 64
    assert 3500 < config["expires"] - time.time() <= 3600


async def test_the_file_comes_with_its_digest(ask: Ask, entry: Entry) -> None:
    given = await ask("GET", f"vml/entries/{entry.id}/launcher")

    assert given.headers["X-Vml-Sha256"] == hashlib.sha256(given.body).hexdigest()
    assert f'filename="vml-launch-{entry.id}.py"' in given.headers["Content-Disposition"]


async def test_a_launcher_pairs_and_gets_its_files(ask: Ask, entry: Entry, vml: Any) -> None:
    said = await paired(ask, entry)
    machine = said["machine"]

    context = await ask("GET", f"vml/launches/{machine}/context.iso", CLIENT)
    assert hashlib.sha256(context.body).hexdigest() == said["context"]["sha256"]
    assert len(context.body) == said["context"]["size_bytes"]
    assert said["jupyter_token"] not in json.dumps([(await ask("GET", "vml/api/launches")).body.decode()])

    whole = (await ask("GET", f"vml/launches/{machine}/area.iso", CLIENT)).body
    assert len(whole) == said["area_bytes"]
    part = await ask("GET", f"vml/launches/{machine}/area.iso", CLIENT, Range="bytes=32768-32799")
    assert (part.code, part.body) == (206, whole[32768:32800])
    assert part.headers["Content-Range"] == f"bytes 32768-32799/{len(whole)}"
    beyond = await ask("GET", f"vml/launches/{machine}/area.iso", CLIENT, Range=f"bytes={len(whole)}-")
    assert beyond.code == 416

    image = await ask("GET", f"vml/launches/{machine}/image", CLIENT)
    assert image.body == signed_disk()


async def test_asked_again_by_the_same_client_it_is_the_same_machine(ask: Ask, entry: Entry) -> None:
    digest, config = await made(ask, entry)
    body = {"token": CLIENT, "script": digest}

    first, second = [(await ask("POST", "vml/launches", config["pairing"], body)).body for _ in range(2)]

    assert first == second


async def machines(ask: Ask) -> list[str]:
    listed = json.loads((await ask("GET", "vml/api/launches")).body)["launches"]
    return [each["id"] for each in listed]


async def test_a_client_that_asks_while_it_is_answered_gets_the_same_machine(ask: Ask, entry: Entry) -> None:
    """Its connection was lost, and it asks once more."""
    digest, config = await made(ask, entry)
    body = {"token": CLIENT, "script": digest}

    said = await asyncio.gather(*(ask("POST", "vml/launches", config["pairing"], body) for _ in range(6)))

    given = {json.loads(each.body)["machine"] for each in said}
    assert [each.code for each in said] == [200] * 6
    assert await machines(ask) == list(given)
    assert len(given) == 1


async def test_a_server_that_crashed_while_it_paired_goes_on_with_the_same_machine(
    ask: Ask, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, config = await made(ask, entry)
    body = {"token": CLIENT, "script": digest}

    def crash(*_: object) -> None:
        raise SystemError("the power is cut")

    with monkeypatch.context() as patch:
        patch.setattr(Records, "use", crash)
        assert (await ask("POST", "vml/launches", config["pairing"], body)).code == 500
    begun = await machines(ask)

    said = json.loads((await ask("POST", "vml/launches", config["pairing"], body)).body)
    assert [said["machine"]] == begun == await machines(ask)


async def refusal(ask: Ask, token: str, digest: str, client: str = CLIENT) -> tuple[int, str]:
    said = await ask("POST", "vml/launches", token, {"token": client, "script": digest})
    return said.code, json.loads(said.body)["message"]


async def test_a_token_works_once(ask: Ask, entry: Entry) -> None:
    digest, config = await made(ask, entry)
    await ask("POST", "vml/launches", config["pairing"], {"token": CLIENT, "script": digest})

    assert await refusal(ask, config["pairing"], digest, "somebody-elses-token-of-their-own") == (
        403,
        "this launcher was used already",
    )


async def test_of_many_at_once_one_pairs(ask: Ask, entry: Entry) -> None:
    digest, config = await made(ask, entry)
    bodies = [{"token": f"client-number-{number}-of-many", "script": digest} for number in range(8)]

    said = await asyncio.gather(*(ask("POST", "vml/launches", config["pairing"], body) for body in bodies))

    assert sorted(each.code for each in said) == [200] + [403] * 7


async def test_a_token_expires(ask: Ask, entry: Entry, vml: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    digest, config = await made(ask, entry)
    now = time.time()
    monkeypatch.setattr("vml_jupyter.flows.launch_records.time.time", lambda: now + 3601)

    code, why = await refusal(ask, config["pairing"], digest)

    assert code == 403
    assert "expired" in why


async def test_a_script_that_was_altered_does_not_pair(ask: Ask, entry: Entry) -> None:
    _, config = await made(ask, entry)

    code, why = await refusal(ask, config["pairing"], hashlib.sha256(b"altered").hexdigest())

    assert code == 403
    assert "not as the server wrote it" in why
    assert (await refusal(ask, config["pairing"], ""))[0] == 403


async def test_a_foreign_token_is_nobodys(ask: Ask, entry: Entry) -> None:
    digest, _ = await made(ask, entry)

    assert "no such launcher" in (await refusal(ask, "a-token-that-nobody-ever-made-here", digest))[1]
    assert (await ask("POST", "vml/launches", "", {"token": CLIENT, "script": digest})).code == 403


async def test_an_entry_that_was_forgotten_is_not_started(ask: Ask, entry: Entry, vml: Any) -> None:
    digest, config = await made(ask, entry)
    await asyncio.to_thread(forget, vml.user_settings, [entry.id])

    code, why = await refusal(ask, config["pairing"], digest)

    assert code == 404
    assert "in the bin" in why


async def test_a_machines_token_reaches_its_machine_and_nothing_else(
    ask: Ask, entry: Entry, jp_fetch: Any
) -> None:
    mine, other = await paired(ask, entry), None
    digest, config = await made(ask, entry)
    said = await ask(
        "POST", "vml/launches", config["pairing"], {"token": "the-token-of-another-machine", "script": digest}
    )
    other = json.loads(said.body)

    for path in ("context.iso", "area.iso", "image"):
        assert (await ask("GET", f"vml/launches/{other['machine']}/{path}", CLIENT)).code == 403
        assert (await ask("GET", f"vml/launches/{mine['machine']}/{path}", "x" * 30)).code == 403
        assert (await ask("GET", f"vml/launches/{'0' * 12}/{path}", CLIENT)).code == 403
    assert (
        await ask("POST", f"vml/launches/{other['machine']}/status", CLIENT, {"stage": "running"})
    ).code == 403
    for path in ("vml/api/entries", "vml/api/launches", "api/contents", f"vml/entries/{entry.id}/launcher"):
        assert (await ask("GET", path, CLIENT)).code == 403


async def test_how_it_stands_is_seen(ask: Ask, entry: Entry, vml: Any) -> None:
    machine = (await paired(ask, entry))["machine"]

    async def state() -> list[tuple[str, str]]:
        found = json.loads((await ask("GET", "vml/api/launches")).body)["launches"]
        return [(each["state"], each["accelerator"]) for each in found]

    assert await state() == [("paired", "")]
    await ask("POST", f"vml/launches/{machine}/status", CLIENT, {"stage": "running", "accelerator": "tcg"})
    assert await state() == [("running", "tcg")]
    odd = await ask("POST", f"vml/launches/{machine}/status", CLIENT, {"stage": "<script>"})
    assert odd.code == 400
    await ask("POST", f"vml/launches/{machine}/status", CLIENT, {"stage": "removed"})
    assert await state() == []
    assert (await ask("GET", f"vml/launches/{machine}/area.iso", CLIENT)).code == 403
    (ended,) = json.loads((await ask("GET", "vml/api/launches")).body)["ended"]
    assert [each["name"] for each in ended["stages"]] == ["running", "removed"]
    assert not Records(vml.user_settings).context(machine).exists()
    assert (await ask("DELETE", f"vml/api/launches/{machine}", "", {})).code == 200
    assert json.loads((await ask("GET", "vml/api/launches")).body)["ended"] == []


async def test_who_takes_a_launcher_back_ends_its_token(ask: Ask, entry: Entry) -> None:
    machine = (await paired(ask, entry))["machine"]
    assert (await ask("DELETE", f"vml/api/launches/{machine}", CLIENT)).code == 403
    assert (await ask("DELETE", f"vml/api/launches/{machine}")).code == 200
    assert (await ask("GET", f"vml/launches/{machine}/image", CLIENT)).code == 403
    assert (await ask("DELETE", f"vml/api/launches/{machine}")).code == 404
    assert (await ask("DELETE", "vml/api/launches/..%2F..%2Fx")).code == 404


async def test_no_token_lies_on_the_disk(ask: Ask, entry: Entry, vml: Any) -> None:
    digest, config = await made(ask, entry)
    await ask("POST", "vml/launches", config["pairing"], {"token": CLIENT, "script": digest})
    files = list(Records(vml.user_settings).folder.rglob("*.json"))

    assert files
    for file in files:
        assert file.stat().st_mode & 0o077 == 0
        assert config["pairing"] not in file.read_text()
        assert CLIENT not in file.read_text()
    (launch,) = Records(vml.user_settings).all()
    assert launch.token == hashlib.sha256(CLIENT.encode()).hexdigest()
    assert msgspec.json.encode(launch)
