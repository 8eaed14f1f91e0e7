"""Pins and differences in a real machine: what the context says arrives, and what differs is shown while it lives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import nbformat
import pytest
from demo import printed
from nbformat.v4 import new_code_cell, new_notebook

from vml_jupyter.context import client_files, user_data
from vml_jupyter.flows import machines
from vml_jupyter.flows.entries import opened
from vml_jupyter.flows.settings import Settings
from vml_jupyter.model import Mount, pins_of
from vml_jupyter.release.mini import recipe

from .conftest import Vml

pytestmark = [pytest.mark.machine, pytest.mark.timeout(600), pytest.mark.usefixtures("nothing_left")]

OLD = recipe.REVISIONS[0]  # the one that the servers still have
SFT = Mount(path=f"/cvmfs/{OLD.fqrn}", fqrn=OLD.fqrn, revision=OLD.revision, root_hash=OLD.root_hash)
ATLAS = Mount(path="/cvmfs/atlas.cern.ch", fqrn="atlas.cern.ch", tag="trunk-2021-04-30")
LOOSE = Mount(path="/cvmfs/lhcb.cern.ch", fqrn="lhcb.cern.ch", revision=5, root_hash="cd" * 20)
PROXY = """http://p:3128;DIRECT|x $(touch /tmp/no) 'a' "b" \\ $HOME"""

# Debian's cloud-init comes last, with idle processors; it writes the files again, with a time of its own.
CELL = """
import json, os, subprocess, time
from pathlib import Path
until = time.monotonic() + 240
result = Path("/run/cloud-init/result.json")
while not result.exists() and time.monotonic() < until:
    time.sleep(0.2)
folder = Path("/etc/cvmfs/config.d")
print(json.dumps({
    "files": {str(file)[1:]: file.read_text() for file in folder.iterdir()},
    "written": [file.stat().st_mtime > 1e9 for file in folder.iterdir()],
    "cloud-init": json.loads(result.read_text())["v1"],
    "user-data": Path("/mnt/.rw/context/user-data").read_text(),
    "ucontext": Path("/mnt/.rw/context/ucontext").read_text(),
    "proxy": subprocess.run(
        ["busybox", "sh", "-c", '. /mnt/.rw/context/ucontext; printf %s "$_UCONTEXT_CVMFS_HTTP_PROXY"'],
        capture_output=True, text=True).stdout,
    "harm": os.path.exists("/tmp/no"),
    "system": Path("/etc/cernvm-release").read_text(),
}))
"""


@pytest.fixture
def entry(vml: Vml, machine_settings: Settings, tmp_path: Path) -> str:
    """An entry of CernVM 4.5.0.1 in which three repositories were mounted."""
    area = tmp_path / "pinned"
    area.mkdir()
    nbformat.write(new_notebook(cells=[new_code_cell(CELL)]), area / "look.ipynb")
    id = vml("snapshot", area, "--notebook", "look.ipynb", "--release", "4.5.0.1")["entry"]
    with opened(machine_settings) as logbook:
        taken = logbook.find(id)
        environment = msgspec.structs.replace(taken.environment, cvmfs=(SFT, ATLAS, LOOSE))
        return logbook.edit(msgspec.structs.replace(taken, environment=environment)).id


def test_pins_arrive_and_differences_stay(vml: Vml, machine_settings: Settings, entry: str) -> None:
    config = machine_settings.config / "config.json"
    config.parent.mkdir(exist_ok=True)
    config.write_text(json.dumps({"context": {"cvmfs_http_proxy": PROXY}}))

    restored = vml("restore", entry, "--release", "4.5.1.0", "--without-pin", "lhcb.cern.ch")
    differing = [
        {"what": "release", "recorded": "CernVM 4.5.0.1", "here": "CernVM 4.5.1.0"},
        {"what": "lhcb.cern.ch", "recorded": "revision 5", "here": "newest"},
    ]
    assert restored["differences"] == differing

    executed = machines.execute(machine_settings, restored["machine"], "look.ipynb", timeout_s=300)
    inside: dict[str, Any] = json.loads("".join(printed(executed.cells[0])))
    with opened(machine_settings) as logbook:
        pins = [pin for pin in pins_of(logbook.find(entry).environment) if pin.fqrn != "lhcb.cern.ch"]
    wanted = {path: content.decode() for path, content in client_files(pins).items()}
    assert inside["files"] == wanted
    assert inside["cloud-init"]["errors"] == []
    assert inside["cloud-init"]["datasource"].startswith("DataSourceConfigDrive")
    assert inside["written"] == [True, True], "unpacked with times of 1970, and written again by cloud-init"
    release = machines.find_machine(machine_settings, restored["machine"]).release
    assert inside["user-data"].encode() == user_data(release, {"cvmfs_http_proxy": PROXY}, pins=pins)
    assert "_UCONTEXT_CVMFS_TAG=cernvm-system-4.5.1.0\n" in inside["ucontext"]
    assert inside["proxy"] == PROXY, "as micro-CernVM's own shell reads it"
    assert not inside["harm"]
    assert "4.5.1.0" in inside["system"]

    [listed] = vml("machines")["machines"]
    assert listed["differences"] == differing
    vml("stop", restored["machine"])
    [stopped] = vml("machines")["machines"]
    assert (stopped["state"], stopped["differences"]) == ("stopped", differing)
    vml("delete", restored["machine"])
