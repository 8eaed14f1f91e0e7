"""The working areas that are measured: made once, the same every time, and kept in a cache folder.

    <cache>/lock                       held while somebody measures
    <cache>/a-<recipe>/                working area A
        changing.py                    the one small file that ``change`` rewrites
        package/<copy>/<module>        17,000 source files of site-packages, 350 MB
        random/<n>.bin                 ten incompressible files of 50 MB
        table.csv                      one table of 100 MB
    <cache>/many-<recipe>/             100,000 files of 1 kB, a thousand to a folder
    <cache>/large-<recipe>/large.bin   one incompressible file, without holes; removed after its measurement

An Area's name carries a digest of what it was made from, so another Python environment makes another one.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import random
import secrets
import shutil
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MB = 1_000_000
_CHANGING = "changing.py"
_PIECE = MB
_FOLDER_FILES = 1000


@dataclass(frozen=True)
class Area:
    """A folder to be captured, with the number and the bytes of its files."""

    path: Path
    files: int
    bytes: int

    def change(self) -> None:
        """Rewrite the one small file, to something that it never was."""
        (self.path / _CHANGING).write_text(f'SEED = "{secrets.token_hex(32)}"\n' * 40)


@contextmanager
def alone(cache: Path) -> Iterator[None]:
    """Keep other benches away from the areas: who changes a file spoils another's figures."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def area_a(cache: Path, scale: float = 1.0) -> Area:
    """Return working area A; ``scale`` multiplies the number of sources and the size of everything else."""
    chosen = _choose(_sources(), round(17_000 * scale), round(350 * MB * scale))
    recipe = [(copy, str(source), size) for copy, source, size in chosen]

    def fill(folder: Path) -> None:
        _write_sources(folder / "package", chosen)
        for number in range(10):
            _write_random(folder / "random" / f"{number}.bin", round(50 * MB * scale), seed=number)
        _write_table(folder / "table.csv", round(100 * MB * scale))

    return _made(cache, "a", [scale, recipe], fill)


def many(cache: Path, count: int) -> Area:
    """Return an area of ``count`` files of 1 kB: hexadecimal digits, as results and logs are half noise."""

    def fill(folder: Path) -> None:
        source = random.Random(count)
        for first in range(0, count, _FOLDER_FILES):
            below = folder / f"{first // _FOLDER_FILES:05}"
            below.mkdir(parents=True)
            for number in range(first, min(first + _FOLDER_FILES, count)):
                (below / f"{number:07}.txt").write_text(source.randbytes(500).hex())

    return _made(cache, "many", [count], fill)


@contextmanager
def large(cache: Path, size_bytes: int) -> Iterator[Area]:
    """Lend an area of one incompressible file; it is too large to be kept."""

    def fill(folder: Path) -> None:
        _write_random(folder / "large.bin", size_bytes, seed=10)

    area = _made(cache, "large", [size_bytes], fill)
    try:
        yield area
    finally:
        shutil.rmtree(area.path)


def files_of(folder: Path) -> Iterator[Path]:
    """Yield every file below a folder."""
    for name, _, files in os.walk(folder):
        yield from (Path(name, file) for file in files)


def warm(folder: Path) -> None:
    """Read everything once, so that no tool pays for the disk."""
    for file in files_of(folder):
        with file.open("rb", buffering=0) as stream:
            while stream.read(_PIECE):
                pass


def _made(cache: Path, name: str, recipe: object, fill: Callable[[Path], None]) -> Area:
    """Return the area of this recipe, made in a temporary folder and renamed where it is not there yet."""
    path = cache / f"{name}-{hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]}"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=cache, prefix=f"{path.name}.part-"))
        try:
            fill(part)
            (part / _CHANGING).write_text("SEED = None\n")
            part.chmod(0o755)
            part.rename(path)
        except BaseException:
            shutil.rmtree(part)
            raise
    sizes = [file.stat().st_size for file in files_of(path)]
    return Area(path, len(sizes), sum(sizes))


def _sources() -> list[tuple[Path, int]]:
    """Return the Python sources of this environment with their sizes, by name."""
    root = Path(sysconfig.get_path("purelib"))
    found = (file for file in root.rglob("*.py") if file.is_file() and not file.is_symlink())
    return sorted((file.relative_to(root), file.stat().st_size) for file in found)


def _choose(sources: list[tuple[Path, int]], count: int, total: int) -> list[tuple[int, Path, int]]:
    """Return ``count`` times (copy, source, bytes), about ``total`` bytes together.

    Copy 0 has every source. What is then missing is made up by further copies of the larger ones, so many
    of the smallest left out that the sum fits.
    """
    step = max(len(sources) / count, 1)
    chosen = [(0, *sources[int(number * step)]) for number in range(min(count, len(sources)))]
    missing, missing_bytes = count - len(chosen), total - sum(size for _, _, size in chosen)
    by_size = sorted((size for _, size in sources), reverse=True)
    while missing and len(by_size) > 1 and sum(by_size) / len(by_size) * missing < missing_bytes:
        del by_size[-max(len(by_size) // 100, 1) :]
    larger = [source for source in sources if source[1] >= by_size[-1]]
    chosen += [(1 + number // len(larger), *larger[number % len(larger)]) for number in range(missing)]
    return chosen


def _write_sources(folder: Path, chosen: list[tuple[int, Path, int]]) -> None:
    """Write the chosen sources; every copy has its letters moved on, so it is new to all but compresses alike."""
    root = Path(sysconfig.get_path("purelib"))
    letters = bytes(range(ord("a"), ord("z") + 1))
    for copy, source, _ in chosen:
        moved = bytes.maketrans(letters, letters[copy % 26 :] + letters[: copy % 26])
        target = folder / str(copy) / source
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((root / source).read_bytes().translate(moved))


def _write_random(file: Path, size_bytes: int, seed: int) -> None:
    source = random.Random(seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        for position in range(0, size_bytes, _PIECE):
            stream.write(source.randbytes(min(_PIECE, size_bytes - position)))


def _write_table(file: Path, size_bytes: int) -> None:
    """Write a table of events as an analysis has it: run, event, charges and momenta."""
    source = random.Random(2008)
    with file.open("w") as stream:
        stream.write("run,event,charge1,charge2,pt1,eta1,phi1,pt2,eta2,phi2\n")
        for first in itertools.count(step=1000):
            if stream.tell() >= size_bytes:
                break
            rows = []
            for event in range(first, first + 1000):
                pt1, pt2 = source.expovariate(0.05), source.expovariate(0.05)
                angles = [source.uniform(-3.1416, 3.1416) for _ in range(4)]
                signs = source.getrandbits(2)
                rows.append(
                    f"{165617 + event // 100_000},{event},{(signs & 1) * 2 - 1},{(signs & 2) - 1},"
                    f"{pt1:.4f},{angles[0]:.6f},{angles[1]:.6f},{pt2:.4f},{angles[2]:.6f},{angles[3]:.6f}\n"
                )
            stream.writelines(rows)
