"""The wheel alone, in a fresh environment: it brings the extensions, and it does the main job for an ordinary user."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import processes_naming

ROOT = Path(__file__).parent.parent.parent
PLAIN = "vml-tester"


@pytest.fixture(scope="module")
def installed() -> Iterator[Path]:
    """A new virtual environment into which nothing but the built wheel was installed, where everybody may read."""
    folder = Path(tempfile.mkdtemp(prefix="vml-wheel-", dir="/var/tmp"))
    folder.chmod(0o755)
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist", ROOT)
    [wheel] = (folder / "dist").glob("*.whl")
    run(python, "-m", "venv", folder / "venv")
    run(folder / "venv/bin/pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel)
    yield folder / "venv"
    shutil.rmtree(folder)


def run(*words: object, **more: object) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


@pytest.mark.timeout(600)
def test_it_brings_both_extensions(installed: Path) -> None:
    servers = run(installed / "bin/jupyter", "server", "extension", "list")
    assert "vml_jupyter" in servers
    assert "vml_jupyter enabled" in servers.replace("\x1b[32m", "").replace("\x1b[0m", "")
    assert "X vml_jupyter" not in servers
    labs = run(installed / "bin/jupyter", "labextension", "list")
    [line] = [line for line in labs.splitlines() if "vml-jupyter" in line]
    assert "enabled" in line
    assert "OK" in line


@pytest.fixture
def ordinary_user() -> Iterator[list[str]]:
    """The words that run a command as a user without privileges: of root's tests one is made and removed again."""
    if os.geteuid() != 0:
        yield []
        return
    try:
        pwd.getpwnam(PLAIN)
    except KeyError:
        run("useradd", "--create-home", "--shell", "/bin/sh", PLAIN)
    home = Path(pwd.getpwnam(PLAIN).pw_dir)
    yield ["runuser", "-u", PLAIN, "--", "env", f"HOME={home}", "XDG_RUNTIME_DIR="]
    subprocess.run(["pkill", "-KILL", "-u", PLAIN], check=False)
    run("userdel", "--remove", "--force", PLAIN)


@pytest.mark.machine
@pytest.mark.timeout(900)
def test_it_does_the_main_job_for_an_ordinary_user(
    installed: Path, ordinary_user: list[str], release_url: str
) -> None:
    place = Path(tempfile.mkdtemp(prefix="vml-user-", dir="/var/tmp"))
    area = place / "area"
    area.mkdir()
    for file in (ROOT / "notebooks").glob("dimuon.*"):
        shutil.copy(file, area)
    if ordinary_user:
        run("chown", "-R", f"{PLAIN}:", place)
    settings = [f"VML_DATA={place}/data", f"VML_CONFIG={place}/config", f"VML_RELEASE_URLS={release_url}"]

    def vml(*words: object) -> dict[str, object]:
        done = subprocess.run(
            [*(ordinary_user or ["env"]), *settings, str(installed / "bin/vml"), *map(str, words), "--json"],
            capture_output=True,
            text=True,
            cwd="/",
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    entry = vml("snapshot", area, "--notebook", "dimuon.ipynb", "--release", "4.5.1.0")["entry"]
    restored = vml("restore", entry)
    assert str(restored["url"]).startswith("http://")
    assert restored["release"]["system"] == "4.5.1.0"  # type: ignore[index]
    vml("delete", restored["machine"])
    assert vml("machines") == {"machines": []}
    assert processes_naming(place / "data" / "machines") == []
    assert list((place / "data" / "machines").iterdir()) == []
    shutil.rmtree(place)
