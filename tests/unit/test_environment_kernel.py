"""The kernel that a notebook names: found by its kernelspec, asked with its variables, remembered."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest
from environment_trees import program, tree

from vml_jupyter.environment import describe
from vml_jupyter.environment.interpreter import Interpreter
from vml_jupyter.environment.kernelspec import kernel_of, kernelspec_of
from vml_jupyter.environment.packages import packages_in
from vml_jupyter.model import Environment


def notebook(folder: Path, name: str) -> Path:
    return tree(folder, {"a.ipynb": json.dumps({"metadata": {"kernelspec": {"name": name}}})}) / "a.ipynb"


def install(folder: Path, name: str, *argv: str | Path, language: str = "python", **env: str) -> None:
    spec = {"argv": [str(word) for word in argv], "language": language, "env": env}
    tree(folder, {f"data/kernels/{name}/kernel.json": json.dumps(spec)})


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "data"))


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Another interpreter: a virtual environment with one package."""
    site = f"lib/python3.{sys.version_info.minor}/site-packages"
    home = tree(
        tmp_path / "venv",
        {
            "pyvenv.cfg": f"home = {Path(sys.base_prefix) / 'bin'}\ninclude-system-site-packages = false\n",
            f"{site}/Uproot_4-4.3.7.dist-info/METADATA": "Name: Uproot-4\n",
        },
    )
    (home / "bin").mkdir()
    (home / "bin/python3").symlink_to(Path(sys.executable).resolve())
    return home / "bin/python3"


def described(folder: Path, name: str, environ: dict[str, str] | None = None) -> Environment:
    return describe(
        environ=os.environ if environ is None else environ,
        notebook=notebook(folder, name),
        cache=folder / "cache",
    )


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (
            json.dumps({"cells": [{"source": "x"}], "metadata": {"kernelspec": {"name": "python3"}}}),
            "python3",
        ),
        (json.dumps({"metadata": {}}), ""),
        (json.dumps({"metadata": {"kernelspec": {"display_name": "x"}}}), ""),
        (json.dumps({"metadata": {"kernelspec": 5}}), ""),
        ("{", ""),
        ("", ""),
    ],
)
def test_the_kernel_of_a_notebook(tmp_path: Path, text: str, name: str) -> None:
    assert kernelspec_of(tree(tmp_path, {"a.ipynb": text}) / "a.ipynb") == name


def test_an_absent_notebook_has_no_kernel(tmp_path: Path) -> None:
    assert kernelspec_of(tmp_path / "absent.ipynb") == ""


def test_the_packages_are_those_of_the_notebooks_kernel(tmp_path: Path, python: Path) -> None:
    install(tmp_path, "analysis", python, "-m", "ipykernel_launcher")
    found = described(tmp_path, "analysis")
    assert (found.kernelspec, found.language, found.interpreter) == ("analysis", "python", str(python))
    assert (found.packages, found.notes) == ({"uproot-4": "4.3.7"}, ())
    assert found.python == platform.python_version()


def test_a_kernels_own_variables_count(tmp_path: Path, python: Path) -> None:
    stack = tmp_path / "stack"
    (stack / "coffea-0.7.22.dist-info").mkdir(parents=True)
    install(tmp_path, "swan", python, "-m", "ipykernel", PYTHONPATH="${STACK}:/nowhere", ROOTSYS="/root6")
    found = described(tmp_path, "swan", {**os.environ, "STACK": str(stack), "PYTHONPATH": "/of/the/server"})
    assert found.packages == {"coffea": "0.7.22", "uproot-4": "4.3.7"}
    assert found.variables["PYTHONPATH"] == f"{stack}:/nowhere"
    assert found.variables["ROOTSYS"] == "/root6"


def test_this_python_with_other_variables_is_another_one(tmp_path: Path) -> None:
    (tmp_path / "stack/coffea-0.7.22.dist-info").mkdir(parents=True)
    install(tmp_path, "stack", sys.executable, "-m", "ipykernel", PYTHONPATH=str(tmp_path / "stack"))
    found = described(tmp_path, "stack")
    assert found.packages["coffea"] == "0.7.22"
    assert found.packages["numpy"] == metadata.version("numpy")


@pytest.mark.parametrize("word", [sys.executable, "python", "python3"])
def test_a_kernel_of_this_very_python_is_not_asked(tmp_path: Path, word: str) -> None:
    install(tmp_path, "here", word, "-m", "ipykernel_launcher")
    kernel = kernel_of(notebook(tmp_path, "here"), os.environ)
    assert (kernel.interpreter, kernel.is_python, kernel.note) == (None, True, "")
    assert described(tmp_path, "here").packages == packages_in(sys.path)


def test_a_kernel_found_on_its_own_path(tmp_path: Path, python: Path) -> None:
    (python.parent / "python2.7").symlink_to(python)
    install(tmp_path, "old", "python2.7", PATH=f"{python.parent}:${{PATH}}")
    assert kernel_of(notebook(tmp_path, "old"), os.environ).interpreter == python.parent / "python2.7"


@pytest.mark.parametrize("name", ["absent", "../analysis", "a/b", "-x"])
def test_a_kernel_that_is_not_installed_is_said(tmp_path: Path, python: Path, name: str) -> None:
    install(tmp_path, "analysis", python)
    found = described(tmp_path, name)
    assert found.packages == packages_in(sys.path)
    [note] = found.notes
    assert f"no kernel {name} is installed here" in note


def test_a_name_cannot_reach_the_terminal(tmp_path: Path) -> None:
    [note] = described(tmp_path, "\x1b[2Jname").notes
    assert note.isprintable()


def test_jupyters_own_kernel_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *parts: [str(tmp_path / "none")])
    found = described(tmp_path, "python3")
    assert (found.packages, found.notes) == (packages_in(sys.path), ())


@pytest.mark.parametrize(
    ("argv", "language", "said"),
    [
        (["/usr/bin/R", "--slave"], "R", "the kernel other is R"),
        (["/bin/sh", "start-kernel"], "python", "no Python that can be asked, started by /bin/sh"),
        (["/nowhere/python3"], "python", "started by /nowhere/python3"),
        ([], "", "started by nothing"),
    ],
)
def test_a_kernel_that_is_no_python_has_no_packages(
    tmp_path: Path, argv: list[str], language: str, said: str
) -> None:
    install(tmp_path, "other", *argv, language=language)
    found = described(tmp_path, "other")
    assert (found.python, found.interpreter, found.packages) == ("", "", {})
    [note] = found.notes
    assert said in note


@pytest.mark.parametrize(
    "script", ["exit 1", "echo not JSON", "echo '[1, 2]'", "true", "echo '[\"3\", []]'; exit 1"]
)
def test_an_interpreter_that_does_not_answer_is_said(tmp_path: Path, script: str) -> None:
    install(tmp_path, "broken", program(tmp_path / "bin/python3", script))
    found = described(tmp_path, "broken")
    assert (found.python, found.packages) == ("", {})
    [note] = found.notes
    assert "did not tell its packages" in note


def test_nothing_is_imported_from_the_working_area(tmp_path: Path, python: Path) -> None:
    tree(tmp_path, {"json.py": "import pathlib; pathlib.Path(__file__).with_name('ran').touch()"})
    install(tmp_path, "analysis", python)
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert described(tmp_path, "analysis").packages == {"uproot-4": "4.3.7"}
    finally:
        os.chdir(before)
    assert not (tmp_path / "ran").exists()


def test_what_a_customised_python_prints_is_skipped(tmp_path: Path) -> None:
    script = 'echo Welcome; echo \'["3.9.1", ["/usr/lib"]]\''
    install(tmp_path, "loud", program(tmp_path / "bin/python3", script))
    assert described(tmp_path, "loud").python == "3.9.1"


def test_in_the_kernel_itself_the_file_does_not_matter(tmp_path: Path, python: Path) -> None:
    install(tmp_path, "analysis", python)
    found = describe(notebook=notebook(tmp_path, "analysis"), in_kernel=True)
    assert (found.kernelspec, found.packages) == ("analysis", packages_in(sys.path))


def settled(*files: Path) -> None:
    """Have files look as if nothing had happened to them for a while."""
    for file in files:
        os.utime(file, (time.time() - 60, time.time() - 60))


def test_an_answer_is_remembered_until_something_changes(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "numpy-1.26.4.dist-info").mkdir(parents=True)
    asked = tmp_path / "asked"
    script = f'echo x >>{asked}; echo \'["3.9.1", ["{site}"]]\''
    python = program(tmp_path / "bin/python3", script)
    install(tmp_path, "slow", python)
    settled(site, python)

    def times_asked() -> int:
        assert described(tmp_path, "slow").packages.keys() >= {"numpy"}
        return len(asked.read_text().split())

    assert [times_asked(), times_asked(), times_asked()] == [1, 1, 1]
    assert [file.stat().st_mode & 0o777 for file in (tmp_path / "cache/pythons").iterdir()] == [0o600]
    (site / "uproot-5.0.dist-info").mkdir()
    settled(site)
    assert described(tmp_path, "slow").packages == {"numpy": "1.26.4", "uproot": "5.0"}
    assert [times_asked(), times_asked()] == [2, 2]
    install(tmp_path, "slow", python, PYTHONPATH="/elsewhere")
    assert times_asked() == 3
    [file] = (tmp_path / "cache/pythons").iterdir()
    file.write_text("{")
    assert times_asked() == 4


def test_without_a_cache_it_is_asked_every_time(tmp_path: Path) -> None:
    python = program(tmp_path / "bin/python3", 'echo \'["3.9.1", ["relative", "/usr/lib"]]\'')
    install(tmp_path, "plain", python)
    with Interpreter(kernel_of(notebook(tmp_path, "plain"), os.environ)) as interpreter:
        told = interpreter.told()
    assert told is not None
    assert told.path == ["/usr/lib"]


def test_packages_by_the_names_of_their_folders(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    tree(
        first,
        {
            "ruamel.yaml-0.17.21.dist-info/METADATA": "",
            "torch-2.1.0+cu118.dist-info/METADATA": "",
            "PyYAML-5.4.1-py3.9-linux-x86_64.egg-info/PKG-INFO": "Name: no\nVersion: 0\n",
            "iniparse-0.4-py2.7.egg-info": "",
            "work.egg-info/PKG-INFO": "Metadata-Version: 2.1\nName: My.Work\nVersion: 0.1.dev3\n\nVersion: 9\n",
            "hollow.egg-info/SOURCES.txt": "",
            "~umpy-1.0.dist-info/METADATA": "",
            "not-a-distribution.txt": "",
            "-1.0.dist-info/METADATA": "",
        },
    )
    tree(second, {"torch-1.0.dist-info/METADATA": "", "egg-2.0-py3.9.egg/EGG-INFO/PKG-INFO": ""})
    egg = second / "egg-2.0-py3.9.egg"
    assert packages_in([str(first), str(second), str(egg), str(tmp_path / "python39.zip"), "/dev/null"]) == {
        "egg": "2.0",
        "iniparse": "0.4",
        "my-work": "0.1.dev3",
        "pyyaml": "5.4.1",
        "ruamel-yaml": "0.17.21",
        "torch": "2.1.0+cu118",
    }


def test_every_distribution_here_is_listed_as_the_standard_library_has_it() -> None:
    expected = {}
    for each in metadata.distributions():
        expected.setdefault(each.metadata["Name"].lower().replace("_", "-").replace(".", "-"), each.version)
    assert packages_in(sys.path) == expected
