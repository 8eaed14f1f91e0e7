"""A real Jupyter that waits for nobody, and is then told by the agent who it is."""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from vml_jupyter.guest import agent
from vml_jupyter.machine.network import free_port
from vml_jupyter.machine.waiting import wait_until

pytestmark = pytest.mark.timeout(300)

GUEST = Path(agent.__file__).parent
OWN = "0wn-t0ken-of-a-machine"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home" / "dimuon").mkdir(parents=True)
    (tmp_path / "home" / "dimuon" / "mine.txt").write_text("mine")
    return tmp_path / "home"


@pytest.fixture
def waiting(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    me = pwd.getpwuid(os.geteuid())
    user = pwd.struct_passwd((me.pw_name, "x", me.pw_uid, me.pw_gid, "", str(home), "/bin/sh"))
    monkeypatch.setattr(agent, "RUN", str(tmp_path))
    monkeypatch.setattr(agent, "ASKING", str(GUEST))
    monkeypatch.setattr(agent, "JUPYTER_PORT", free_port())
    monkeypatch.setattr(agent, "EVERYWHERE", "127.0.0.1")
    monkeypatch.setattr(agent, "SEARCHED", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    monkeypatch.setattr(agent, "find_user", lambda _: user)
    jupyter = agent.WaitingJupyter({})
    try:
        yield jupyter
    finally:
        if jupyter._process is not None:
            agent.end(jupyter._process)
        jupyter._heard.close()
        jupyter._mouth.close()


def asked(path: str, token: str) -> requests.Response:
    url = f"http://127.0.0.1:{agent.JUPYTER_PORT}/{path}"
    return requests.get(url, headers={"Authorization": f"token {token}"}, timeout=30)


def shown_to_programs(runtime: Path) -> tuple[str, str]:
    [server] = [json.loads(file.read_text()) for file in runtime.glob("jpserver-*.json")]
    return server["token"], server["root_dir"]


def test_a_waiting_jupyter_becomes_its_owners(waiting: Any, home: Path, tmp_path: Path) -> None:
    assert waiting.warm_up()
    before = waiting._token
    runtime = home / ".local/share/jupyter/runtime"
    secret = (runtime / "jupyter_cookie_secret").read_bytes() if runtime.exists() else b""
    assert asked("api/contents", before).ok
    assert asked("api/contents", OWN).status_code == 403
    waiting.be_told({"token": OWN, "base_url": "/"})
    process = waiting.given_to(str(home / "dimuon"))
    assert process is waiting._process
    assert asked("api/contents", before).status_code == 403
    listed = asked("api/contents", OWN).json()["content"]
    assert [each["name"] for each in listed] == ["mine.txt"]
    page = asked("lab", OWN).text
    told = json.loads(
        page.partition('<script id="jupyter-config-data" type="application/json">')[2].partition("<")[0]
    )
    assert (told["token"], told["serverRoot"]) == (OWN, "~/dimuon")
    assert before not in page
    assert wait_until(lambda: shown_to_programs(runtime) == (OWN, str(home / "dimuon")), 20, 0.1)
    assert (runtime / "jupyter_cookie_secret").read_text("ascii").encode() != secret
    started = requests.post(
        f"http://127.0.0.1:{agent.JUPYTER_PORT}/api/kernels",
        headers={"Authorization": f"token {OWN}"},
        json={"name": "python3"},
        timeout=60,
    ).json()
    assert asked("api/kernels", OWN).json()[0]["id"] == started["id"]
    assert OWN.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()


def test_behind_a_proxy_it_is_to_be_started_anew(waiting: Any, home: Path) -> None:
    assert waiting.warm_up()
    wish = {"token": OWN, "base_url": "/user/someone/vml/machines/abc/"}
    waiting.be_told(wish)
    assert waiting.given_to(str(home / "dimuon")) is None
    assert waiting._process.poll() is not None


def test_one_that_does_not_listen_is_started_later(
    waiting: Any, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "_tell", lambda wish, patience_s: False)
    assert not waiting.warm_up()
    waiting.be_told({"token": OWN})
    assert waiting.given_to(str(home)) is None
