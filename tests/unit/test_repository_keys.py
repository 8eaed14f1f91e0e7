"""Passwords: given, listed and taken, with restic's keys beside ours; and the locks that nobody stands behind."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from restic_judge import Restic

from vml_jupyter.errors import Ambiguous, LogbookDamaged, LogbookLocked, NotFound, Usage, WrongPassword
from vml_jupyter.repository import Repository
from vml_jupyter.repository.identity import hostname, username

PASSWORD, SECOND = "password", "zweites Passwort µ"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Repository.create(str(tmp_path / "repo"), PASSWORD, scrypt_n=1024).close()
    return tmp_path / "repo"


@pytest.fixture
def repository(folder: Path):
    repository = Repository.open(str(folder), PASSWORD)
    yield repository
    repository.close()


def test_a_password_is_given_and_taken(repository: Repository, folder: Path) -> None:
    (first,) = repository.keys.list()
    assert (first.current, first.user, first.host, first.damage) == (True, username(), hostname(), "")
    second = repository.keys.add(SECOND, 1024)
    assert not second.current
    assert repository.keys.list() == [first, second]
    again = Repository.open(str(folder), SECOND)
    assert [key.current for key in again.keys.list()] == [False, True]
    assert again.keys.remove(first.id[:8]).id == first.id
    with pytest.raises(WrongPassword):
        Repository.open(str(folder), PASSWORD)
    Repository.open(str(folder), SECOND).close()
    again.close()


def test_the_key_in_use_and_the_last_one_stay(repository: Repository, folder: Path) -> None:
    (first,) = repository.keys.list()
    with pytest.raises(Usage):
        repository.keys.remove(first.id)
    second = repository.keys.add(SECOND, 1024)
    other = Repository.open(str(folder), SECOND)
    other.keys.remove(first.id)
    with pytest.raises(Usage, match="last"):
        repository.keys.remove(second.id)
    assert [key.id for key in other.keys.list()] == [second.id]
    other.close()


def test_what_names_no_key_or_several(repository: Repository) -> None:
    for prefix in ("", "0", "zz"):
        with pytest.raises(NotFound):
            repository.keys.remove(prefix)
    with pytest.raises(Usage):
        repository.keys.add("")
    while True:
        ids = sorted(key.id[:2] for key in repository.keys.list())
        twice = [id for id in ids if ids.count(id) > 1]
        if twice:
            break
        repository.keys.add(SECOND, 1024)
    with pytest.raises(Ambiguous):
        repository.keys.remove(twice[0])


def test_a_key_is_not_taken_while_others_work(repository: Repository, folder: Path) -> None:
    second = repository.keys.add(SECOND, 1024)
    other = Repository.open(str(folder), SECOND)
    with other.lock(), pytest.raises(LogbookLocked):
        repository.keys.remove(second.id)
    assert len(repository.keys.list()) == 2
    other.close()


def test_restic_opens_with_our_key_and_we_with_its(
    repository: Repository, folder: Path, tmp_path: Path
) -> None:
    ours = repository.keys.add(SECOND)
    restic = Restic(folder, SECOND)
    listed = {key["id"]: key for key in restic.json("key", "list")}
    assert (listed[ours.id[:8]]["current"], listed[ours.id[:8]]["userName"]) == (True, username())
    (tmp_path / "third").write_text("third")
    restic.run("key", "add", "--new-password-file", tmp_path / "third")
    third = Repository.open(str(folder), "third")
    (theirs,) = (key for key in third.keys.list() if key.current)
    assert theirs.id[:8] in {key["id"] for key in restic.json("key", "list")}
    third.keys.remove(ours.id)
    assert "wrong password" in restic.run("snapshots", ok=False)
    Restic(folder, "third").run("key", "remove", repository.keys.list()[0].id)
    with pytest.raises(WrongPassword):
        Repository.open(str(folder), PASSWORD)
    third.close()
    Restic(folder, "third").check()


class TestCommand:
    """The command line: a password comes from a file, the environment or a terminal, and is never an argument."""

    @pytest.fixture
    def environ(self, folder: Path, tmp_path: Path) -> dict[str, str]:
        return {
            **os.environ,
            "VML_LOGBOOK": str(folder),
            "VML_LOGBOOK_PASSWORD": PASSWORD,
            "VML_DATA": str(tmp_path / "data"),
            "VML_CONFIG": str(tmp_path / "config"),
        }

    def vml(self, environ: dict[str, str], *words: str, status: int = 0) -> Any:
        command = [sys.executable, "-m", "vml_jupyter.cli.main", *words, "--json"]
        done = subprocess.run(command, env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == status, done.stdout + done.stderr
        return json.loads(done.stdout)

    def test_from_a_file_and_from_the_environment(self, environ: dict[str, str], tmp_path: Path) -> None:
        (tmp_path / "new").write_text("from a file\n")
        self.vml(environ, "key", "add", "--new-password-file", str(tmp_path / "new"))
        added = self.vml({**environ, "VML_NEW_PASSWORD": "from there"}, "key", "add")
        (tmp_path / "old").write_text("from there")
        keys = self.vml(environ, "key", "list", "--password-file", str(tmp_path / "old"))["keys"]
        assert [key["id"] for key in keys if key["current"]] == [added["id"]]
        assert {"id", "user", "host", "created", "current", "damage"} == keys[0].keys()
        removed = self.vml(environ, "key", "remove", added["id"][:10])
        assert removed["id"] == added["id"]

    def test_there_must_be_somebody_to_ask(self, environ: dict[str, str]) -> None:
        assert self.vml(environ, "key", "add", status=2)["error"]["code"] == "usage"

    @pytest.mark.parametrize(("answers", "status"), [(("new one", "new one"), 0), (("one", "two"), 2)])
    def test_from_a_terminal(self, environ: dict[str, str], answers: tuple[str, str], status: int) -> None:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "vml_jupyter.cli.main", "key", "add"]
        with subprocess.Popen(
            command, env=environ, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        ) as started:
            os.close(theirs)
            said = b""
            for question, answer in zip((b"New password: ", b"Once more: "), answers, strict=True):
                while question not in said:
                    said += os.read(ours, 1000)
                os.write(ours, answer.encode() + b"\n")
            assert started.wait(60) == status
        os.close(ours)
        assert answers[0].encode() not in said
        if not status:
            Repository.open(environ["VML_LOGBOOK"], answers[0]).close()

    def test_locks_are_removed_when_stale_or_on_request(
        self, environ: dict[str, str], repository: Repository
    ) -> None:
        with repository.lock(exclusive=True):
            assert self.vml(environ, "unlock") == {"removed": 0}
            assert self.vml(environ, "prune", status=1)["error"]["code"] == "logbook-locked"
            assert self.vml(environ, "unlock", "--all") == {"removed": 1}
            assert self.vml(environ, "prune", "--dry-run")["freed_bytes"] == 0
        dead = subprocess.run(
            [sys.executable, "-c", _LOCK_AND_DIE, environ["VML_LOGBOOK"], PASSWORD], capture_output=True
        )
        assert dead.returncode == -9
        assert self.vml(environ, "unlock") == {"removed": 1}

    def test_what_is_no_percentage(self, environ: dict[str, str]) -> None:
        command = [sys.executable, "-m", "vml_jupyter.cli.main", "prune", "--max-unused"]
        for text in ("120", "x"):
            assert subprocess.run([*command, text], env=environ, capture_output=True).returncode == 2
        assert subprocess.run([*command, "7%"], env=environ, capture_output=True).returncode == 0


_LOCK_AND_DIE = """
import os, signal, sys
from vml_jupyter.repository import Repository
with Repository.open(sys.argv[1], sys.argv[2]).lock():
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_key_file_that_would_take_minutes(repository: Repository, folder: Path) -> None:
    """Key files are not encrypted: one that asks for more work than a password needs is damage, and is not tried."""
    (key,) = repository.keys.list()
    record = json.loads((folder / "keys" / key.id).read_bytes())
    raw = json.dumps({**record, "N": 1 << 18, "r": 8, "p": 64}).encode()
    costly = hashlib.sha256(raw).hexdigest()
    (folder / "keys" / costly).write_bytes(raw)
    assert {one.id: bool(one.damage) for one in repository.keys.list()} == {key.id: False, costly: True}
    Repository.open(str(folder), PASSWORD).close()
    with pytest.raises(LogbookDamaged, match="a derivation that this program does not do"):
        Repository.open(str(folder), "not the password")
