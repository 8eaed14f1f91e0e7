"""The user's settings through the server: read, changed, and in force at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VML_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("VML_WARM_QUOTA_MIB", raising=False)
    return tmp_path / "config" / "config.json"


async def told(api: Any, name: str) -> dict[str, Any]:
    _, body = await api("GET", "settings")
    [found] = [each for each in body["settings"] if each["name"] == name]
    return found


async def test_all_are_told_with_who_says_so(config: Path, api: Any) -> None:
    _, body = await api("GET", "settings")
    assert body["file"] == str(config)
    assert {each["name"] for each in body["settings"]} >= {
        "logbooks",
        "release_folders",
        "shape.cpus",
        "idle_minutes",
    }
    assert all(each["help"] and each["wants"] for each in body["settings"])
    logbook = await told(api, "logbook")
    assert (logbook["origin"], logbook["editable"]) == ("administrator", False)
    password = await told(api, "logbook_password")
    assert password["editable"] is False


async def test_a_change_is_written_and_holds_at_once(config: Path, api: Any, vml: Any) -> None:
    status, body = await api("PUT", "settings/shape.memory_mib", {"text": "4096"})
    assert (status, body["shown"], body["origin"]) == (200, "4096", "file")
    assert json.loads(config.read_text()) == {"shape": {"memory_mib": 4096}}
    assert vml.user_settings.shape.memory_mib == 4096
    await api("PUT", "settings/release_folders", {"text": "/data/images /data/more"})
    assert [str(folder) for folder in vml.user_settings.release_folders] == ["/data/images", "/data/more"]
    status, body = await api("DELETE", "settings/shape.memory_mib")
    assert (status, body["origin"]) == (200, "default")
    assert vml.user_settings.shape.memory_mib != 4096


@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        ("shape.memory_mib", "much", 400),
        ("shape.memory_mib", "-1", 400),
        ("logbook_password", "secret", 400),
        ("nothing", "1", 404),
        ("logbooks", '{"a": "s3://user:secret@host/b"}', 400),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_written(
    config: Path, api: Any, name: str, text: str, status: int
) -> None:
    answered, body = await api("PUT", f"settings/{name}", {"text": text})
    assert (answered, config.exists()) == (status, False)
    assert "secret" not in body["message"]
