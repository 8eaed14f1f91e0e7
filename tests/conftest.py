"""What all tests share: settings of their own, the mini release built once, and a look at what is left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from warm_states import warmed

from vml_jupyter.flows import machines
from vml_jupyter.flows.capture import capture
from vml_jupyter.flows.settings import Settings, load
from vml_jupyter.machine.session import end_daemon
from vml_jupyter.progress import SILENT
from vml_jupyter.release import mini
from vml_jupyter.release.mini import recipe, stratum
from vml_jupyter.release.mirror import served

# Tests assert no absolute times: machines are noisy, and a property holds slowly as well.
hypothesis.settings.register_profile("vml", deadline=None)
hypothesis.settings.load_profile("vml")

# Else each first restore would have a warm state made beside the next test; those who test warm states ask for them.
os.environ["VML_WARM_QUOTA_MIB"] = "0"

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


@pytest.fixture(scope="session")
def mini_repository() -> Path:
    """A release repository with the mini release, built once and kept in the user's data folder."""
    return mini.build(load().data, SILENT)


@pytest.fixture(scope="session")
def release_url(mini_repository: Path) -> Iterator[str]:
    with served(mini_repository) as url:
        yield url


@pytest.fixture(scope="session")
def release_url_before(mini_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The release repository as it was while the system ``recipe.GONE`` was still published."""
    folder = tmp_path_factory.mktemp("before")
    (folder / "releases").symlink_to(mini_repository / "releases")
    systems = (recipe.GONE, *recipe.SYSTEMS)
    stratum.publish(folder / "cvmfs" / recipe.REPOSITORY, systems, folder / "scratch", rolling="HEAD4")
    with served(folder) as url:
        yield url


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the image that one test fetched, and what it learnt of this host, is found by the next."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "releases").mkdir()
    (folder / "cache").mkdir()
    return folder


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[None]:
    """Clear away what is too deep for shutil, which pytest itself clears up with."""
    yield
    subprocess.run(["rm", "-rf", "--", *tmp_path.iterdir()], check=True)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings in which nothing is shared with the user's own."""
    return load(
        {
            "VML_DATA": str(tmp_path / "data"),
            "VML_CONFIG": str(tmp_path / "config"),
            "VML_RELEASE_URLS": "http://127.0.0.1:9",
            "VML_WARM_QUOTA_MIB": "0",  # those who test warm states say so
        }
    )


@pytest.fixture
def machine_settings(
    settings: Settings, release_url: str, mini_repository: Path, kept: Path, request: pytest.FixtureRequest
) -> Iterator[Settings]:
    """Settings with which machines of the mini release start; image and accelerator are found once a test run.

    Those of a test that is marked ``warm`` are woken where they can be.
    """
    settings.data.mkdir(parents=True)
    settings.releases.symlink_to(kept / "releases")
    settings.cache.symlink_to(kept / "cache")
    settings = settings.using(release_urls=(release_url,), release_ca=mini_repository / "mini-ca.crt")
    if mark := request.node.get_closest_marker("warm"):
        settings = warmed(settings, mark.args)
    yield settings
    for machine in machines.list_machines(settings):  # those of a test that failed
        machines.delete(settings, machine.id)
    if os.geteuid() == 0:  # root's daemon would stay a while, and its folder for good
        end_daemon(settings.data)


@pytest.fixture
def environ(machine_settings: Settings) -> dict[str, str]:
    """The same settings for a process of its own."""
    return {
        **os.environ,
        "VML_DATA": str(machine_settings.data),
        "VML_CONFIG": str(machine_settings.config),
        "VML_RELEASE_URLS": " ".join(machine_settings.release_urls),
        "VML_RELEASE_CA": str(machine_settings.release_ca),
        "VML_WARM_QUOTA_MIB": str(machine_settings.warm_quota_mib),
    }


@pytest.fixture
def gone_entry(machine_settings: Settings, release_url_before: str, dimuon: Path) -> str:
    """An entry in a system that was there when it was taken: its tag is in no history now, its catalog on no server."""
    then = machine_settings.using(release_urls=(release_url_before,))
    return capture(then, dimuon, notebook="dimuon.ipynb", release=recipe.GONE.version).id


@pytest.fixture
def dimuon(tmp_path: Path) -> Path:
    """A working area with the example notebook and its sample."""
    area = tmp_path / "dimuon"
    area.mkdir()
    for file in NOTEBOOKS.glob("dimuon.*"):
        shutil.copy(file, area)
    return area
