"""What a machine is to be: its record, its secrets, its address."""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vml_jupyter.errors import Foreign
from vml_jupyter.machine.spec import MachineSpec, decode_spec, encode_spec, one_line, save_spec, with_secrets
from vml_jupyter.model import Release


def spec(folder: Path, **changes: object) -> MachineSpec:
    plain = MachineSpec(
        id="abcdefghjkmn",
        entry="e" * 12,
        release=Release(system="4.5.0.1"),
        folder=folder,
        image=Path("/r/mini.hdd"),
        context_iso=folder / "context.iso",
        token="s3cret",
        area_cookie="vml=als0",
        port=4711,
        notebook="a b/é?.ipynb",
    )
    return msgspec.structs.replace(plain, **changes)


@given(title=st.text(), notebook=st.text())
def test_a_record_survives_its_json(title: str, notebook: str) -> None:
    machine = spec(Path("/m"), title=title, notebook=notebook, area_path=Path("/x y"))
    text = encode_spec(machine)
    assert text.isascii()
    assert decode_spec(text) == machine.public()


def test_a_record_that_is_none_is_foreign() -> None:
    for text in ("", "{}", "[1]", '{"id": 5}'):
        with pytest.raises(Foreign):
            decode_spec(text)


def test_secrets_lie_apart_and_are_private(tmp_path: Path) -> None:
    save_spec(spec(tmp_path))
    assert "s3cret" not in (tmp_path / "machine.json").read_text()
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert with_secrets(decode_spec((tmp_path / "machine.json").read_text())) == spec(tmp_path)


def test_without_secrets_a_machine_has_no_address(tmp_path: Path) -> None:
    machine = with_secrets(spec(tmp_path).public()).machine("running")
    assert (machine.port, machine.url) == (4711, "")


def test_the_address_is_an_origin_of_the_machines_own(tmp_path: Path) -> None:
    machine = spec(tmp_path, base_url="/hub/").machine("running")
    start = "http://abcdefghjkmn.localhost:4711/hub/lab/tree/a%20b/%C3%A9%3F.ipynb"
    assert machine.url == f"{start}?token=s3cret"
    assert (
        spec(tmp_path, notebook="").machine("starting").url
        == "http://abcdefghjkmn.localhost:4711/lab?token=s3cret"
    )


def test_a_stopped_machine_has_neither_port_nor_address(tmp_path: Path) -> None:
    machine = spec(tmp_path).machine("stopped")
    assert (machine.port, machine.url) == (0, "")


@pytest.mark.parametrize(
    ("text", "line"),
    [("a\nb\tc", "a b c"), ("\x00\x1b[31mred", "[31mred"), ("\u202eevil", "evil"), ("", "")],
)
def test_a_title_becomes_one_printable_line(text: str, line: str) -> None:
    assert one_line(text) == line
