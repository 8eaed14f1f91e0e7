"""The working area's disk against its limits: ``make bench-area``.

    image of many files    ready to be read, in a fresh process: the first time, and again with what was kept
    a notebook             bytes read from the logbook until a notebook of 1 MB in a large area has been read
    a large file           read in order in a machine, beside the same image as a plain file (see ``sequential``)

``--files N``, ``--gb N`` and ``--file-mb N`` set the sizes (100,000, 10 and 1,000). The exit status is 1 where a limit
is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import sequential
from bench.restore import bench_settings, cleared
from vml_jupyter.flows.settings import load
from vml_jupyter.progress import SILENT
from vml_jupyter.release import mini
from vml_jupyter.release.mirror import served
from vml_jupyter.repository import Node, Repository

PASSWORD = "only for this bench"
RUNS = 5
FIRST_S, AGAIN_S, NOTEBOOK_BYTES = 2.0, 0.1, 5_000_000
_WHEN = "2026-03-{day:02d}T10:{minute:02d}:00.{n:09d}Z"
_MB = 1_000_000

# A process of its own each time, as the area's server is one: nothing is in memory from before.
_READY = """
import gc, json, sys, time
from pathlib import Path
from vml_jupyter.repository import Metered, Repository, open_store
from vml_jupyter.snapshot.image import AreaImage, Kept
gc.disable()
place, password, tree, cache, read = sys.argv[1:]
begun = time.perf_counter()
store = Metered(open_store(place))
repository = Repository.open(store, password)
image = AreaImage(repository, tree, uid=1000, gid=1000, kept=Kept(Path(cache), repository.seal, repository.unseal))
ready = time.perf_counter() - begun
for at in range(0, int(read), 131072):
    image.read(image.data_start + at, 131072)
image.close()
print(json.dumps({"ready": ready, "bytes": store.read_bytes, "reads": store.reads}))
"""


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--files", type=int, default=100_000)
    arguments.add_argument("--gb", type=float, default=10.0)
    arguments.add_argument("--file-mb", type=int, default=1000)
    arguments.add_argument("--scratch", type=Path, default=None)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="vml-bench-", dir=chosen.scratch) as name:
        held = [
            *many_files(Path(name), chosen.files),
            a_notebook(Path(name), int(chosen.gb * 1000)),
            a_large_file(Path(name), chosen.file_mb),
        ]
    return 0 if all(held) else 1


def many_files(folder: Path, count: int) -> list[bool]:
    place, tree = stored_files(folder / "many", count)
    cache = folder / "cache"
    first, again = [], []
    for _ in range(RUNS):
        for file in (cache / "layouts").glob("*"):
            file.unlink()
        first.append(ready(place, tree, cache)["ready"])
        again.append(ready(place, tree, cache)["ready"])
    return [
        row(f"image of {count:,} files ready, first time", statistics.median(first), FIRST_S, "s"),
        row("the same, again", statistics.median(again), AGAIN_S, "s"),
    ]


def a_notebook(folder: Path, megabytes: int) -> bool:
    place, tree = stored_notebook(folder / "large", megabytes)
    read = ready(place, tree, folder / "cache", read_bytes=_MB)
    what = f"read for a notebook of 1 MB in {megabytes / 1000:g} GB ({read['reads']:.0f} reads)"
    return row(what, read["bytes"] / _MB, NOTEBOOK_BYTES / _MB, "MB")


def a_large_file(folder: Path, megabytes: int) -> bool:
    with served(mini.build(load().data, SILENT)) as url:
        settings = bench_settings(folder / "machines", url)
        try:
            return sequential.row(settings, folder / "machines", megabytes)
        finally:
            cleared(settings)


def ready(place: Path, tree: str, cache: Path, read_bytes: int = 0) -> dict[str, float]:
    words = [sys.executable, "-c", _READY, str(place), PASSWORD, tree, str(cache), str(read_bytes)]
    told: dict[str, float] = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)
    return told


def row(what: str, value: float, limit: float, unit: str) -> bool:
    held = value <= limit
    verdict = "held" if held else "missed"
    print(f"{what:<64} {value:8.3f} {unit:<2}  limit {limit:g} {unit}  ratio {value / limit:.2f}  {verdict}")
    return held


def stored_files(place: Path, count: int) -> tuple[Path, str]:
    """Store ``count`` small files, a thousand in each folder."""
    repository = Repository.create(str(place), PASSWORD, scrypt_n=1024)
    with repository.lock():
        folders = []
        for begin in range(0, count, 1000):
            numbers = range(begin, min(begin + 1000, count))
            ids = [id for id, _ in repository.save_blobs([os.urandom(40) for _ in numbers])]
            files = [small_file(n, id) for n, id in zip(numbers, ids, strict=True)]
            folders.append(a_folder(begin, repository.save_tree(files)))
        tree = repository.save_tree(folders)
        repository.flush()
    repository.close()
    return place, tree


def small_file(n: int, blob: str) -> Node:
    when = _WHEN.format(day=1 + n % 28, minute=n % 60, n=n)
    return Node(
        name=f"file-{n:07d}",
        type="file",
        mode=0o644,
        mtime=when,
        atime=when,
        ctime=when,
        size=40,
        links=1,
        inode=n,
        content=[blob],
    )


def a_folder(n: int, tree: str) -> Node:
    return Node(name=f"folder-{n:07d}", type="dir", mode=1 << 31 | 0o755, subtree=tree)


def stored_notebook(place: Path, megabytes: int) -> tuple[Path, str]:
    """Store a notebook of 1 MB, and behind it files of 100 MB each."""
    repository = Repository.create(str(place), PASSWORD, scrypt_n=1024)
    draw = random.Random(1)
    with repository.lock():
        notebook, _ = repository.save_blob(draw.randbytes(_MB))
        files = [a_file("a notebook.ipynb", [notebook])]
        for begin in range(0, megabytes, 100):
            pieces = [
                repository.save_blob(draw.randbytes(_MB))[0] for _ in range(min(100, megabytes - begin))
            ]
            files.append(a_file(f"data-{begin:06d}", pieces))
        tree = repository.save_tree(files)
        repository.flush()
    repository.close()
    return place, tree


def a_file(name: str, blobs: list[str]) -> Node:
    return Node(name=name, type="file", mode=0o644, size=len(blobs) * _MB, links=1, content=blobs)


if __name__ == "__main__":
    sys.exit(main())
