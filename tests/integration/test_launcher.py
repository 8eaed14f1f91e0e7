"""The whole way of a launcher: a Jupyter server here, a script run as on a computer without VML, a real machine."""

from __future__ import annotations

import hashlib
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from hostile_server import stranger_certificate

from vml_jupyter.flows.entries import list_entries
from vml_jupyter.flows.files import restore_files
from vml_jupyter.flows.settings import Settings
from vml_jupyter.release.mini import recipe

from .conftest import Vml, processes_naming
from .launcher_scene import config_of, elsewhere, file_with, launcher_in, running, runs, stages

pytestmark = pytest.mark.machine
RELEASE = recipe.SYSTEMS[0].version


@pytest.fixture
def entry(vml: Vml, dimuon: Path) -> str:
    cells = [nbformat.v4.new_code_cell("import os\nos.getcwd()")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), dimuon / "short.ipynb")
    return str(vml("snapshot", dimuon, "--notebook", "dimuon.ipynb", "--release", RELEASE)["entry"])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.mark.timeout(1800)
def test_a_launcher_starts_the_machine_and_leaves_nothing(
    machine_settings: Settings, environ: dict[str, str], entry: str, root: Path, tmp_path: Path
) -> None:
    with running(root, environ) as server:
        given = server.get(f"vml/entries/{entry}/launcher")
        assert given.status_code == 200, given.text
        assert given.headers["X-Vml-Sha256"] == hashlib.sha256(given.content).hexdigest()
        with elsewhere(tmp_path / "home", given.content, f"vml-launch-{entry}.py") as there:
            told = there.run("--dry-run")
            assert RELEASE in told
            assert "Accelerator: " in told
            assert there.files() == [there.script]

            assert "Downloading the image" in there.run()
            first = there.record["machine"]
            (launch,) = server.launches()
            assert (launch["entry"], launch["state"]) == (entry, "running")
            assert stages(launch) == ["image", "fetch", "start", "ready", "running"]
            runs(there)

            there.write("note.txt", "written there")
            there.start_kernel("dimuon.ipynb")
            said = there.run("capture", "-m", "from elsewhere")
            captured = list_entries(machine_settings)[0]
            assert f"as entry {captured.id}" in said
            assert (captured.title, captured.parent, captured.machine) == ("from elsewhere", entry, first)
            assert captured.environment.release
            assert captured.environment.release.system == RELEASE, "as the machine itself tells"
            assert captured.environment.python, "of the kernel that runs there"
            restore_files(machine_settings, captured.id, tmp_path / "back")
            assert (tmp_path / "back" / "note.txt").read_text() == "written there"

            # it survives its server, and is not made twice
            server.end()
            assert "The notebook is at" in there.run()
            assert "The machine runs" in there.run("status")
            server.begin()
            there.run("suspend")
            assert server.launches()[0]["state"] == "suspended"
            assert "suspended" in there.run("status")
            assert processes_naming(there.folder) == []
            there.run("resume")
            assert there.record["machine"] == first
            there.write("later.txt", "after the rest")
            assert "as entry" in there.run("capture")
            assert list_entries(machine_settings)[0].parent == captured.id
            there.run("stop")
            assert "stopped" in there.run("status")
            assert processes_naming(there.folder) == []

            there.run("remove")
            assert server.launches() == []
            (ended,) = server.launches("ended")
            assert {"capture", "captured", "suspended", "stopped", "removed"} <= set(stages(ended))
            assert there.files() == [there.script]
            assert "used already" in there.run("--folder", str(there.home / "again"), fails=True)


@pytest.mark.timeout(1800)
def test_by_command_line_over_tls_with_the_release_on_that_computer(
    environ: dict[str, str], entry: str, vml: Vml, root: Path, tmp_path: Path
) -> None:
    certificate = stranger_certificate(tmp_path)
    pem = certificate.read_text()
    der = ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERTIFICATE-----") :])
    pinned = hashlib.sha256(der).hexdigest()
    with running(root, environ, certificate) as server:
        file = tmp_path / "launch.py"
        made = vml("launcher", entry, "-o", file, "--server", server.url, "--certificate", pinned)
        assert made["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        with elsewhere(tmp_path / "home", file.read_bytes(), "launch.py") as there:
            usb = there.home / "usb"
            usb.mkdir()
            image = config_of(file.read_bytes())["image"]
            shutil.copy(file_with(image["sha256"], Path(environ["VML_DATA"], "releases")), usb / "some.file")

            assert f"The image is here: {usb / 'some.file'}" in there.run("--images", str(usb))
            (launch,) = server.launches()
            assert stages(launch) == ["image", "start", "ready", "running"]
            runs(there, "short.ipynb")
            assert vml("launches")["launches"][0]["state"] == "running"
            there.run("remove")
            assert there.files() == sorted([there.script, usb / "some.file"])
            assert vml("launches")["launches"] == []
            assert vml("launches", "--ended")["launches"][0]["state"] == "removed"

        # a server with another certificate is not talked to
        again = tmp_path / "again.py"
        vml("launcher", entry, "-o", again, "--server", server.url, "--certificate", "0" * 64)
        with elsewhere(tmp_path / "second", again.read_bytes(), "again.py") as there:
            assert "another certificate" in there.run(fails=True)


@pytest.mark.timeout(1800)
def test_offline_from_one_file(entry: str, vml: Vml, tmp_path: Path) -> None:
    """No server, no network, nothing but the file; and nothing is written beside it."""
    file = tmp_path / "dimuon.vml"
    vml("export", entry, "-o", file, "--with-release")
    with elsewhere(tmp_path / "home", launcher_in(file), "launch.py") as there:
        said = there.run("--offline", str(file))
        assert "Downloading" not in said
        runs(there, "short.ipynb")
        assert "without a server" in there.run("capture", fails=True)
        there.run("suspend")
        there.run("resume")
        runs(there, "short.ipynb")
        there.run("stop")
        there.run("resume")
        runs(there, "short.ipynb")
        there.run("remove")
        assert there.files() == [there.script]


def test_what_is_gone_is_refused_with_the_choices_and_taken_without(
    gone_revision_entry: str, environ: dict[str, str], vml: Vml, root: Path, tmp_path: Path
) -> None:
    """As for a restore: nothing is made for what cannot come up as recorded, unless that is asked for."""
    fqrn = recipe.GONE_REVISION.fqrn
    words = [sys.executable, "-m", "vml_jupyter.cli.main", "launcher", gone_revision_entry, "-o"]
    refused = subprocess.run([*words, tmp_path / "a.py"], env=environ, capture_output=True, text=True)
    assert refused.returncode == 1
    assert f"--without-pin {fqrn}" in refused.stderr
    assert not (tmp_path / "a.py").exists()
    with running(root, environ) as server:
        said = server.get(f"vml/entries/{gone_revision_entry}/launcher")
        assert (said.status_code, said.json()["code"]) == (409, "pin-gone")

        vml("launcher", gone_revision_entry, "-o", tmp_path / "b.py", "--without-pin", fqrn)
        given = server.get(f"vml/entries/{gone_revision_entry}/launcher?without_pin={fqrn}")
        other = server.get(f"vml/entries/{gone_revision_entry}/launcher?release={RELEASE}&without_pin=all")
        for script in ((tmp_path / "b.py").read_bytes(), given.content, other.content):
            with elsewhere(tmp_path / hashlib.sha256(script).hexdigest()[:8], script, "l.py") as there:
                told = there.run("--dry-run")
                assert f"not as recorded: {fqrn} newest instead of" in told
                assert (f"CernVM {RELEASE} instead of" in told) == (script == other.content)
