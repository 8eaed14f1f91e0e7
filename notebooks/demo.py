"""The main job once, on real parts: ``make demo``.

Runs the dimuon notebook here, captures it with CernVM 4.5.0.1, restores it in a virtual machine of that version,
executes it inside the machine, compares the results, prints a report, and leaves JupyterLab open on the logbook.
Everything lies in ``<data>/demo``; the user's own logbook is not touched. ``--detach`` ends instead, leaving nothing running.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from vml_jupyter.cli.terminal import Terminal, size
from vml_jupyter.errors import VmlError
from vml_jupyter.flows import capture, machines, restore
from vml_jupyter.flows.settings import Settings, load
from vml_jupyter.model import Entry
from vml_jupyter.release import mini
from vml_jupyter.release.mirror import served

RELEASE = "4.5.0.1"
EXAMPLE = Path(__file__).parent
NOTEBOOK = "dimuon.ipynb"


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument(
        "--detach", action="store_true", help="end after the report, leaving nothing running"
    )
    detach = arguments.parse_args().detach
    try:
        with closing(Terminal()) as terminal:
            repository = mini.build(load().data, terminal)
            with served(repository) as url:
                settings = demo_settings(url)
                return show(settings, terminal, detach=detach)
    except VmlError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


def show(settings: Settings, terminal: Terminal, *, detach: bool) -> int:
    """Do the job and report; return 0 only when the machine gave the captured results in the recorded release."""
    area = working_area(settings)
    captured = run_here(area / NOTEBOOK)
    entry = capture.capture(settings, area, notebook=NOTEBOOK, release=RELEASE, progress=terminal)
    restored = restore.restore(settings, entry.id, progress=terminal)
    keep = False
    try:
        executed = machines.execute(settings, restored.machine.id, NOTEBOOK, progress=terminal)
        terminal.close()
        same = results(executed) == results(captured) != []
        inside = f"CernVM {RELEASE}" in environment_text(executed)
        report(entry, restored, executed, same=same, inside=inside)
        if not (same and inside):
            return 1
        keep = not detach
    finally:
        if not keep:
            machines.delete(settings, restored.machine.id, terminal)
    return 0 if detach else open_lab(settings, area)


def report(
    entry: Entry, restored: restore.Restored, executed: nbformat.NotebookNode, *, same: bool, inside: bool
) -> None:
    print(f"\nEntry        {entry.id}  {entry.title}  ({entry.files} files, {size(entry.bytes)})")
    print(f"Release      {restored.machine.release.label}")
    print(f"Accelerator  {restored.accelerator}")
    for stage, seconds in restored.seconds.items():
        print(f"  {stage:<11}{seconds:6.1f} s")
    print(f"  {'in all':<11}{sum(restored.seconds.values()):6.1f} s")
    for note in restored.notes:
        print(f"Note         {note}")
    print(f"Notebook     {restored.url}")
    print(f"It says      {environment_text(executed).strip().splitlines()[0]}")
    print(f"Results      {'equal to those captured' if same else 'DIFFERENT from those captured'}")
    if not inside:
        print(f"The notebook did NOT run in CernVM {RELEASE}.")


def demo_settings(url: str) -> Settings:
    """Return the user's settings, moved into a folder of the demo's own and pointed at the local repository."""
    own = load()
    data = own.data / "demo"
    return own.using(
        data=data,
        config=data / "config",
        logbook=str(data / "logbook"),
        release_urls=(url,),
        release_folders=(),
        default_release=RELEASE,
    )


def working_area(settings: Settings) -> Path:
    """Return the demo's working area, with the example put into it anew."""
    area = settings.data / "dimuon"
    area.mkdir(parents=True, exist_ok=True)
    for file in EXAMPLE.glob("dimuon.*"):
        shutil.copy(file, area)
    return area


def run_here(file: Path) -> nbformat.NotebookNode:
    """Execute a notebook on this computer and save it with its outputs."""
    notebook = nbformat.read(file, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(file.parent)}}).execute()
    nbformat.write(notebook, file)
    return notebook


def results(notebook: nbformat.NotebookNode) -> list[str]:
    """Return what each cell printed, but for those that tell where they run; it may come in pieces."""
    texts = ["".join(printed(cell)) for cell in code_cells(notebook) if not is_environment(cell)]
    return [text for text in texts if text]


def environment_text(notebook: nbformat.NotebookNode) -> str:
    return "".join(text for cell in code_cells(notebook) if is_environment(cell) for text in printed(cell))


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def is_environment(cell: nbformat.NotebookNode) -> bool:
    return "environment" in cell.metadata.get("tags", [])


def printed(cell: nbformat.NotebookNode) -> list[str]:
    return [
        output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout"
    ]


def open_lab(settings: Settings, area: Path) -> int:
    """Run JupyterLab on the working area until the user ends it."""
    environ = {
        **os.environ,
        "VML_DATA": str(settings.data),
        "VML_CONFIG": str(settings.config),
        "VML_LOGBOOK": settings.logbook,
        "VML_RELEASE": RELEASE,
        "VML_RELEASE_URLS": " ".join(settings.release_urls),
    }
    print("\nJupyterLab starts now, with the logbook in the left side bar; Ctrl-C ends it.\n", flush=True)
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--ServerApp.root_dir={area}",
        *(["--allow-root"] if os.geteuid() == 0 else []),
    ]
    try:
        return subprocess.run(
            [*command, f"--LabApp.default_url=/lab/tree/{NOTEBOOK}"], env=environ, check=False
        ).returncode
    except KeyboardInterrupt:
        print("\nJupyterLab has ended. The machine runs on until you delete it in the Logbook panel.")
        return 0


if __name__ == "__main__":
    sys.exit(main())
