"""Run every parser of untrusted bytes under atheris, each for some time: ``make soak``.

    <corpus>/<target>/<sha-1>       inputs that led somewhere new; kept between runs
    <corpus>/<target>-crash-<sha-1> an input that broke something, to be made a test

atheris (Apache-2.0, by Google) is libFuzzer for Python: it sees which lines and comparisons an input reaches.
Prints a table; the exit status is 1 where something broke.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("targets", nargs="*", help="which parsers (default: all)")
    arguments.add_argument("--seconds", type=int, default=60, help="for each parser")
    arguments.add_argument("--corpus", type=Path, default=HERE.parent.parent / "artefacts" / "corpus")
    arguments.add_argument("--one", help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.one:
        return run_one(options.one, options.corpus, options.seconds)
    from untrusted import TARGETS

    broken = []
    print(f"{'PARSER':20} {'RUNS':>10} {'NEW':>6}  RESULT")
    for name in options.targets or TARGETS:
        command = [sys.executable, __file__, "--one", name, "--seconds", str(options.seconds)]
        done = subprocess.run(
            [*command, "--corpus", str(options.corpus)], capture_output=True, text=True, errors="replace"
        )
        if done.returncode:
            broken.append(name)
            print(done.stderr, file=sys.stderr)
        print(
            f"{name:20} {stat(done.stderr, 'number_of_executed_units'):>10} {stat(done.stderr, 'new_units_added'):>6}  "
            f"{'broken' if done.returncode else 'whole'}",
            flush=True,
        )
    return 1 if broken else 0


def run_one(name: str, corpus: Path, seconds: int) -> int:
    """Fuzz one parser in this process; atheris ends it."""
    import atheris

    with atheris.instrument_imports(include=["vml_jupyter"]):
        import untrusted

    folder = corpus / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(untrusted.seeds()[name]):
        (folder / f"seed{number}").write_bytes(seed)
    options = ["-print_final_stats=1", f"-max_total_time={seconds}", "-max_len=8192", "-rss_limit_mb=4096"]
    atheris.Setup(
        [sys.argv[0], *options, f"-artifact_prefix={corpus / name}-", str(folder)], untrusted.TARGETS[name]
    )
    atheris.Fuzz()
    return 0


def stat(text: str, name: str) -> str:
    """Return a figure of libFuzzer's final report."""
    return next((line.split()[-1] for line in text.splitlines() if f"stat::{name}" in line), "?")


if __name__ == "__main__":
    sys.exit(main())
