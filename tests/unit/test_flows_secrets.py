"""What is likely to be a secret: found with its place, never with itself; bounded for whatever is put in."""

from __future__ import annotations

import json
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vml_jupyter.errors import Cancelled
from vml_jupyter.flows.secrets import Finding, Scan, Text, likely_secrets
from vml_jupyter.progress import Silent

SECRETS = {
    "AWS Access Key": 'key = "AKIAIOSFODNN7EXAMPLE"',
    "Basic Auth Credentials": "fetch('https://ada:sekrit99@host.example/data')",
    "Private Key": "-----BEGIN RSA PRIVATE KEY-----",
    "GitHub Token": "ghp_aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5",
    "Password or key in an assignment": 'password = "hunter2horse"',
}


def scan(**files: str | bytes) -> Scan:
    return likely_secrets(
        [
            Text(name.replace("__", "."), text.encode() if isinstance(text, str) else text)
            for name, text in files.items()
        ]
    )


@pytest.mark.parametrize("kind", SECRETS)
def test_is_found_with_its_line(kind: str) -> None:
    found = scan(a__py=f"import os\n\n{SECRETS[kind]}\n").found

    assert Finding(path="a.py", where="line 3", kind=kind) in found


@pytest.mark.parametrize("kind", SECRETS)
def test_is_found_in_source_and_output_of_a_cell(kind: str) -> None:
    cells = [
        {"cell_type": "markdown", "source": "# Fit"},
        {"cell_type": "code", "source": ["import os\n", SECRETS[kind]], "outputs": []},
        {"cell_type": "code", "source": "", "outputs": [{"output_type": "stream", "text": [SECRETS[kind]]}]},
        {"cell_type": "code", "source": "", "outputs": [{"data": {"text/plain": SECRETS[kind]}}]},
    ]

    found = scan(fit__ipynb=json.dumps({"cells": cells, "nbformat": 4})).found

    assert {each.where for each in found if each.kind == kind} == {"cell 2", "cell 3", "cell 4"}


def test_is_never_told_itself() -> None:
    told = msgspec.json.encode(scan(a__py="\n".join(SECRETS.values()))).decode()

    assert not any(word in told for word in ("AKIA", "sekrit99", "hunter2", "ghp_"))


@pytest.mark.parametrize(
    "line",
    [
        'password = os.environ["PASSWORD"]',
        "password = getpass()",
        'password = "${PASSWORD}"',
        'token = "<your token>"',
        "# the key is in the drawer",
        "2b7e151628aed2a6abf7158809cf4f3c  fit.root",
    ],
)
def test_leaves_out_what_only_stands_for_one(line: str) -> None:
    assert scan(a__py=line).found == ()


def test_settings_need_no_quotes() -> None:
    assert [
        each.path for each in scan(run__ini="db_password: abcdefgh123", run__py="db_password: str").found
    ] == ["run.ini"]


@pytest.mark.parametrize(
    "path", [".netrc", "home/.aws/credentials", "x509up_u1000", "keys/id_ed25519", "a.kdbx"]
)
def test_files_that_hold_credentials_are_known_by_name(path: str) -> None:
    assert likely_secrets([Text(path, b"\0\0")]).paths == {path}


def test_the_example_notebook_holds_none() -> None:
    files = Path(__file__).parent.parent.parent / "notebooks"

    assert likely_secrets([Text(each.name, each.read_bytes()) for each in files.glob("dimuon.*")]).found == ()


def test_says_what_it_did_not_look_at() -> None:
    files = [Text("a.bin", b"\0\1"), Text("a.txt", b"a" * 100), Text("b.txt", b"b" * 100)]

    assert likely_secrets(files, total_bytes=50).unseen == {"binary": 1, "large": 1, "limit": 1}
    assert likely_secrets(files, time_s=0).unseen == {"time": 3}


@pytest.mark.parametrize(
    "text", ["://a:", "password", "aws", "eyJ", "password = '", '"key":"', "//x/:_authToken="]
)
def test_no_text_takes_longer_than_it_is_given(text: str) -> None:
    begun = time.monotonic()

    likely_secrets([Text("a.py", text.encode() * 200_000)], time_s=0.5)

    assert (
        time.monotonic() - begun < 10
    )  # a piece is always looked through to its end; the whole takes minutes


def test_can_be_cancelled() -> None:
    class Impatient(Silent):
        def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        likely_secrets([Text("a", b"")], Impatient())


@given(st.binary(max_size=600) | st.text(max_size=300).map(str.encode))
def test_takes_whatever_it_is_given(data: bytes) -> None:
    for name in ("a.ipynb", "a.py", "a.ini"):
        assert likely_secrets([Text(name, data)]).files == 1


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["cells", "source", "outputs", "data"]), inner)
        ),
    )
)
def test_takes_notebooks_that_are_none(value: object) -> None:
    assert likely_secrets([Text("a.ipynb", json.dumps({"cells": value}).encode())]).found == ()
