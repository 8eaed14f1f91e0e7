"""Likely secrets: what is found, what is not, and that files which are left out stay out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vml_jupyter.errors import BadArea
from vml_jupyter.flows.leaving import leave_out
from vml_jupyter.flows.secrets import MOST_BYTES, Finding, likely_secrets
from vml_jupyter.snapshot import survey

AWS = "AKIA" + "IOSFODNN7EXAMPLE"


def test_keys_and_passwords_are_found_where_they_stand(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "fit.py").write_text(f'x = 1\nclient(key="{AWS}")\n')
    (tmp_path / "settings.ini").write_text("[db]\npassword = correct-horse-battery\n")
    (tmp_path / "key").write_text("-----BEGIN RSA PRIVATE KEY-----\nabc\n")
    (tmp_path / ".netrc").write_text("machine x login y\n")
    found = likely_secrets(tmp_path, seconds=60)
    assert found.complete
    assert {(one.path, one.line, one.kind) for one in found.findings} == {
        ("sub/fit.py", 2, "AWS Access Key"),
        ("settings.ini", 2, "Secret Keyword"),
        ("key", 1, "Private Key"),
        (".netrc", 0, "passwords of servers"),
    }
    assert AWS not in str(found), "the secret itself is told to nobody"


def test_a_notebook_is_looked_through_cell_by_cell(tmp_path: Path) -> None:
    outputs = [{"output_type": "stream", "name": "stdout", "text": [f"{AWS}\n"]}]
    cells = [
        {"cell_type": "markdown", "source": "# password", "metadata": {}},
        {"cell_type": "code", "source": ["a = 1\n", "password = 'hunter2hunter2'"], "outputs": []},
        {"cell_type": "code", "source": "show()", "outputs": outputs},
    ]
    (tmp_path / "fit.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4, "metadata": {}}))
    assert likely_secrets(tmp_path, seconds=60).findings == [
        Finding(path="fit.ipynb", kind="Secret Keyword", line=2, cell=2),
        Finding(path="fit.ipynb", kind="AWS Access Key", line=1, cell=3),
    ]


def test_what_only_speaks_of_secrets_is_none(tmp_path: Path) -> None:
    (tmp_path / "ok.py").write_text(
        "password = getpass()\ntoken = os.environ['TOKEN']\nsecret = None\n# the password: ask Ada\nkey = 1\n"
        "url = 'https://example.org/a'\npassword = '<yours>'\npassword = '********'\n"
    )
    assert likely_secrets(tmp_path, seconds=60).findings == []


def test_what_stays_out_links_and_large_or_binary_files_are_not_looked_into(tmp_path: Path) -> None:
    area = tmp_path / "area"
    area.mkdir()
    (tmp_path / "outside").write_text(AWS)
    (area / "link").symlink_to(tmp_path / "outside")
    (area / "large").write_bytes(AWS.encode() + bytes(MOST_BYTES))
    (area / "binary").write_bytes(b"\0" + AWS.encode())
    (area / "hidden.py").write_text(AWS)
    (area / ".vmlignore").write_text("hidden.py\n")
    assert likely_secrets(area, seconds=60).findings == []


def test_it_ends_when_its_time_is_over(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(AWS)
    found = likely_secrets(tmp_path, seconds=-1)
    assert (found.findings, found.complete) == ([], False)


@pytest.mark.parametrize(
    "name", ["plain.pem", "my key.pem", "a[1]*?.txt", "#hash", "!bang", "trailing ", "sub/dir/x\\y", "größe"]
)
def test_what_is_left_out_stays_out_and_nothing_else(tmp_path: Path, name: str) -> None:
    for one in (name, "other", "sub/plain.pem"):
        (tmp_path / one).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / one).write_text("x")
    (tmp_path / ".vmlignore").write_text("*.tmp")
    leave_out(tmp_path, [name])
    leave_out(tmp_path, [name])
    assert survey(tmp_path).files == 3, ".vmlignore and the two others"
    lines = (tmp_path / ".vmlignore").read_text().splitlines()
    assert (lines[0], len(lines)) == ("*.tmp", 2)


@pytest.mark.parametrize("name", ["", "../x", "/x", "a//b", "a\nb", "./a"])
def test_what_names_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadArea):
        leave_out(tmp_path, [name])
    assert not (tmp_path / ".vmlignore").exists()


def test_rules_are_not_written_through_a_link(tmp_path: Path) -> None:
    area = tmp_path / "area"
    area.mkdir()
    (area / ".vmlignore").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadArea):
        leave_out(area, ["x"])
    assert not (tmp_path / "elsewhere").exists()
