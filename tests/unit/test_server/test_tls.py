"""One more port with TLS: the pages are the same, and launchers know the certificate."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
import requests

from vml_jupyter.server.reached import reached
from vml_jupyter.server.tls import Tls


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def jp_server_config(jp_server_config: dict[str, Any], port: int) -> dict[str, Any]:
    jp_server_config["VmlExtension"]["tls_port"] = port
    return jp_server_config


async def test_the_pages_are_there_with_its_certificate(
    vml: Any, jp_serverapp: Any, jp_auth_header: dict[str, str], port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await vml._start_jupyter_server_extension(jp_serverapp)
    file = vml.user_settings.data / "tls" / "certificate.pem"
    said: list[Any] = []
    monkeypatch.setattr(
        "vml_jupyter.server.pages.reached", lambda handler: said.append(reached(handler)) or said[-1]
    )
    address = f"https://localhost:{port}{jp_serverapp.base_url}"

    def ask() -> tuple[int, int]:
        asked: dict[str, Any] = {"headers": jp_auth_header, "verify": file, "timeout": 30}
        shown = requests.get(f"{address}vml/", **asked)
        made = requests.post(f"{address}vml/entries/none", **asked)
        return shown.status_code, made.status_code

    shown, made = await asyncio.to_thread(ask)
    assert shown == 200
    assert made == 404
    der = ssl.PEM_cert_to_DER_cert(file.read_text())
    assert said[0].certificate == hashlib.sha256(der).hexdigest()
    assert said[0].address == address
    await vml.stop_extension()


def test_the_certificate_is_made_once_and_its_key_is_nobody_elses(tmp_path: Path) -> None:
    first, again = Tls(tmp_path / "tls"), Tls(tmp_path / "tls")
    first.prepare()
    again.prepare()
    assert first.sha256 == again.sha256
    assert (tmp_path / "tls" / "key.pem").stat().st_mode & 0o077 == 0
