"""Reading this machine's apt sources, in both of apt's formats."""

from __future__ import annotations

from pathlib import Path

from vml_jupyter.building.mirrors import debian_sources

PARAGRAPHS = """\
Types: deb deb-src
# a comment in between
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.test/security
Suites: bookworm-security
Components: main

Types: deb
URIs: http://else.test/tool
Suites: bookworm
Components: main
Signed-By: /usr/share/keyrings/tool.gpg

Enabled: no
Types: deb
URIs: http://off.test/debian
Suites: bookworm
Components: main
"""


def written(apt: Path, name: str, text: str) -> Path:
    file = apt / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return apt


def test_paragraphs_of_debian_are_taken_and_others_left(tmp_path: Path) -> None:
    assert debian_sources("bookworm", written(tmp_path, "sources.list.d/debian.sources", PARAGRAPHS)) == [
        "deb http://mirror.test/debian bookworm main",
        "deb http://mirror.test/debian bookworm-updates main",
        "deb http://mirror.test/security bookworm-security main",
    ]


def test_one_line_sources_with_and_without_options(tmp_path: Path) -> None:
    lines = (
        "# deb http://old.test/debian bookworm main\n"
        "deb [arch=amd64] http://mirror.test/debian bookworm main non-free # ours\n"
        "deb-src http://mirror.test/debian bookworm main\n"
        "deb [signed-by=/usr/share/keyrings/tool.gpg] http://else.test bookworm main\n"
    )
    assert debian_sources("bookworm", written(tmp_path, "sources.list", lines)) == [
        "deb http://mirror.test/debian bookworm main"
    ]


def test_machine_of_another_suite_leaves_the_choice_to_mmdebstrap(tmp_path: Path) -> None:
    assert (
        debian_sources("bookworm", written(tmp_path, "sources.list", "deb http://m.test/d trixie main\n"))
        == []
    )
    assert debian_sources("bookworm", tmp_path / "nothing") == []
