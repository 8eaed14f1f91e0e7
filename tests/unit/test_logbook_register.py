"""The copy of what entries say: never the truth, may go at any moment, and what a list shows is always right."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import msgspec
import pytest

from vml_jupyter.logbook import Logbook
from vml_jupyter.logbook.register import Row, folded
from vml_jupyter.logbook.selection import current, select
from vml_jupyter.model import Entry, Environment, Query, Release
from vml_jupyter.snapshot import take

PASSWORD = "password"


def entry(number: int, **fields: object) -> Entry:
    record = {
        "id": f"entry{number}",
        "time": f"2026-01-{number + 1:02}T00:00:00Z",
        "title": f"Fit {number}",
        "environment": Environment(release=Release(system=f"4.{number}.0.1"), packages={"numpy": "2.0"}),
        "area": "/home/ada/fits",
        **fields,
    }
    return Entry(**record)  # type: ignore[arg-type]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def logbook(tmp_path: Path, cache: Path) -> Logbook:
    area = tmp_path / "area"
    area.mkdir()
    logbook = Logbook.create(str(tmp_path / "logbook"), PASSWORD, scrypt_n=1024, cache=cache)
    with logbook.repository.lock():
        tree = take(logbook.repository, area).tree
        for number in range(4):
            logbook.add(entry(number), tree)
    return logbook


def again(logbook: Logbook, cache: Path | None) -> Logbook:
    return Logbook.open(logbook.repository.url, PASSWORD, cache=cache)


def register(cache: Path) -> Path:
    (file,) = (cache / "entries").iterdir()
    return file


def test_a_second_list_reads_no_snapshot(
    logbook: Logbook, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = logbook.entries()
    assert [one.title for one in listed] == ["Fit 3", "Fit 2", "Fit 1", "Fit 0"]
    second = again(logbook, cache)
    monkeypatch.setattr(second.repository, "snapshot", None)
    assert second.entries() == listed
    assert stat.S_IMODE(register(cache).stat().st_mode) == 0o600
    assert b"Fit" not in register(cache).read_bytes(), "it tells nobody more than the logbook does"


def test_what_others_add_and_remove_is_seen(logbook: Logbook, cache: Path) -> None:
    first, second = again(logbook, cache), again(logbook, cache)
    assert first.entries() == second.entries()
    first.edit(msgspec.structs.replace(first.find("entry1"), title="Better"))
    first.forget("entry2")
    assert [one.title for one in second.entries()] == ["Fit 3", "Better", "Fit 0"]
    second.empty_bin()
    assert first.listed(Query(forgotten=True)).rows == []


@hypothesis.given(st.data())
@hypothesis.settings(max_examples=40, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_any_damage_is_made_good_silently(logbook: Logbook, cache: Path, data: st.DataObject) -> None:
    truth = again(logbook, None).entries()
    assert again(logbook, cache).entries() == truth
    file = register(cache)
    raw = bytearray(file.read_bytes())
    cut = data.draw(st.integers(0, len(raw)))
    if data.draw(st.booleans()):
        del raw[cut:]
    else:
        raw[cut % len(raw)] ^= data.draw(st.integers(1, 255))
    file.write_bytes(raw)
    assert again(logbook, cache).entries() == truth
    assert again(logbook, cache).entries() == truth


def test_it_may_be_of_another_version_or_go_at_any_time(logbook: Logbook, cache: Path) -> None:
    user = again(logbook, cache)
    truth = user.entries()
    register(cache).write_bytes(user.repository.seal(b'{"format":0,"repository":"x","rows":[["s"]]}'))
    assert again(logbook, cache).entries() == truth
    register(cache).unlink()
    user.forget("entry0")
    assert user.entries() == truth[:3]
    assert again(logbook, cache).entries() == truth[:3]


def test_a_folder_that_cannot_be_written_costs_time_and_nothing_else(
    logbook: Logbook, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    assert len(again(logbook, tmp_path / "file").entries()) == 4


WORDS = st.text(alphabet="abcXÄß µ\u0130", max_size=6)


@hypothesis.given(st.lists(WORDS, max_size=8), WORDS)
def test_a_search_finds_what_has_all_its_words(texts: list[str], search: str) -> None:
    rows = [Row(snapshot=str(n), entry=str(n), text=folded(text)) for n, text in enumerate(texts)]
    expected = {
        str(n) for n, text in enumerate(texts) if all(word in folded(text) for word in folded(search).split())
    }
    assert {row.entry for row in select(rows, Query(search=search))} == expected


def test_what_can_be_asked_for(logbook: Logbook) -> None:
    one = logbook.find("entry1")
    changed = msgspec.structs.replace(
        one, tags=("good", "µ"), project="Zµµ", notebook="a/fit.ipynb", note="GRÜN & blau"
    )
    logbook.edit(changed)
    for query in (
        Query(search="grün FIT"),
        Query(search="z\u039c\u039c"),
        Query(tags=("good",)),
        Query(tags=("µ", "good")),
        Query(project="Zµµ"),
        Query(notebook="fit.ipynb"),
        Query(notebook="a/fit.ipynb"),
        Query(release="4.1"),
        Query(since="2026-01-02", until="2026-01-02"),
        Query(since="2026-01-02T00:00", until="2026-01-02T00"),
    ):
        assert [found.id for found in logbook.listed(query).entries] == ["entry1"], query
    for query in (
        Query(search="rot"),
        Query(tags=("good", "no")),
        Query(notebook="it.ipynb"),
        Query(release="4"),
    ):
        found = [found.id for found in logbook.listed(query).entries]
        assert found == (["entry3", "entry2", "entry1", "entry0"] if query.release else []), query
    assert [found.id for found in logbook.listed(Query(limit=2)).entries] == ["entry3", "entry2"]
    assert [found.id for found in logbook.listed(Query(until="2026-01-01")).entries] == ["entry0"]


def test_two_who_edit_at_once_leave_one_entry() -> None:
    rows = [
        Row("s1", "e", edited="2026-01-01T00:00:01Z", replaces=("s0",)),
        Row("s2", "e", edited="2026-01-01T00:00:02Z", replaces=("s0",)),
        Row("s0", "e"),
        Row("other"),
    ]
    for order in (rows, rows[::-1]):
        assert [row.snapshot for row in current(order)] == ["s2"]


def test_what_this_program_wrote_is_known_as_whoever_reads_it_knows_it(
    logbook: Logbook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logbook.entries()
    with monkeypatch.context() as only_known:
        read = Logbook._read_one
        seen: list[str] = []
        only_known.setattr(Logbook, "_read_one", lambda self, id: (seen.append(id), read(self, id))[1])
        edited = logbook.edit(
            msgspec.structs.replace(logbook.find("entry1"), note="Ångström", tags=("b", "a"))
        )
        logbook.forget("entry2")
        logbook.unforget("entry2")
        logbook.forget("entry3")
        logbook.add(entry(7, project="P", parent="entry1"), edited.tree)
        known = {row.snapshot: row for row in logbook._register.refresh(logbook._read)}
        assert seen == []
    truth = {row.snapshot: row for row in again(logbook, None)._rows()}
    assert known == truth
    assert len(known) == 5


_READ_AT_ONCE = """
import sys, threading
from vml_jupyter.logbook import document
from vml_jupyter.model import Entry, Environment
from vml_jupyter.repository import Node, Snapshot

class Repository:
    def tree(self, id):
        return Node(name="area", type="dir", subtree="0" * 64), Node(name="entry.json", type="file", content=["1"])
    def blob(self, id):
        return record
    def blob_size(self, id):
        return len(record)

def read():
    begin.wait()
    document.load_entry(Repository(), snapshot)

record = document.encode_record(Entry(id="e1", time="2026-01-01T00:00:00Z", title="t", environment=Environment()))
snapshot = Snapshot(time="2026-01-01T00:00:00Z", tree="2" * 64, tags=["vml", "entry:e1"], id="3" * 64)
sys.setswitchinterval(1e-6)
begin = threading.Barrier(16)
threads = [threading.Thread(target=read) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


@pytest.mark.parametrize("number", range(5))
def test_many_threads_may_read_the_first_entries_of_a_process(number: int) -> None:
    """As a list of a bucket does. msgspec crashed in half of such processes, hence several."""
    done = subprocess.run([sys.executable, "-c", _READ_AT_ONCE], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
