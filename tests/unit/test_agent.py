"""The agent: one file for old Pythons, bounded in what it reads, careful with its secret."""

from __future__ import annotations

import ast
import json
import os
import pwd
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from environment_trees import KINDS, attributes, tree, write
from hypothesis import given
from hypothesis import strategies as st

from vml_jupyter.environment import describe
from vml_jupyter.guest import agent
from vml_jupyter.guest.pickup import agent_source, teller_source

STANDARD = {
    "binascii",
    "contextlib",
    "fcntl",
    "struct",
    "errno",
    "glob",
    "http.client",
    "importlib",
    "json",
    "os",
    "pwd",
    "re",
    "select",
    "signal",
    "socket",
    "subprocess",
    "sys",
    "threading",
    "time",
}
ME = pwd.getpwuid(os.geteuid())


def test_a_teller_is_standard_library_for_python_3_6() -> None:
    tree = ast.parse(teller_source(), feature_version=(3, 6))
    running = [node for node in tree.body if isinstance(node, ast.Import)]
    assert {
        alias.name.partition(".")[0] for node in running for alias in node.names
    } <= sys.stdlib_module_names


def test_it_is_one_file_of_standard_library_for_python_3_6() -> None:
    tree = ast.parse(agent_source(), feature_version=(3, 6))
    running = [node for node in tree.body if isinstance(node, ast.Import)]
    assert {alias.name for node in running for alias in node.names} == STANDARD
    assert sys.stdlib_module_names >= {name.partition(".")[0] for name in STANDARD}


@given(chunks=st.lists(st.binary(max_size=40)), limit=st.integers(1, 30))
def test_lines_are_the_same_however_they_arrive(chunks: list[bytes], limit: int) -> None:
    lines = agent.Lines(limit)
    arrived = [line for chunk in chunks for line in lines.feed(chunk)]
    whole = b"".join(chunks).split(b"\n")
    finished, rest = whole[:-1], whole[-1]
    expected = [line if len(line) <= limit else None for line in finished]
    assert arrived == expected + ([None] if len(rest) > limit else [])


def test_an_endless_line_takes_no_memory() -> None:
    lines = agent.Lines(10)
    assert lines.feed(b"x" * 1000) == [None]
    assert lines.feed(b"x" * 1000) == []
    assert len(lines._rest) <= 10
    assert lines.feed(b"x\nok\n") == [b"ok"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"nonsense", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[1]", "not an object"),
        (b"{}", "unknown version"),
        (b'{"v": 2, "id": 1, "do": "state"}', "unknown version"),
        (b'{"v": 1, "id": 1, "do": "format"}', "unknown request"),
        (b'{"v": 1, "id": 1}', "unknown request"),
    ],
)
def test_what_it_does_not_know_is_refused(line: bytes, error: str) -> None:
    assert agent.answer(line, agent.State(), {})["error"] == error


@pytest.mark.parametrize("moment", [b"0", b"-1", b"1e99", b"NaN", b"true", b'"1800000000"', b"null", b"[]"])
def test_the_clock_is_only_set_to_a_moment(moment: bytes) -> None:
    told: list[float] = []
    actions = {"clock": told.append}
    line = b'{"v": 1, "id": 3, "do": "clock", "time": %s}'
    assert agent.answer(line % moment, agent.State(), actions)["error"] == "unknown request"
    assert agent.answer(b'{"v": 1, "id": 3, "do": "clock"}', agent.State(), actions)["error"]
    assert told == []
    assert agent.answer(line % b"1800000000.5", agent.State(), actions) == {"v": 1, "id": 3, "done": True}
    assert told == [1800000000.5]


def test_an_action_is_done_and_confirmed() -> None:
    done: list[int] = []
    reply = agent.answer(
        b'{"v": 1, "id": 3, "do": "shutdown"}', agent.State(), {"shutdown": lambda: done.append(1)}
    )
    assert (reply, done) == ({"v": 1, "id": 3, "done": True}, [1])


SYSTEM = ".installed_cernvm-system-{}"
BOOTED = {"etc/cernvm-release": "CERN Virtual Machine, version 4.5.0.1\n", SYSTEM.format("4.10.0.0"): ""}
SNAPSHOT = {"mnt/.rw/aux/cvmfs_snapshot": f"{'ab' * 20}\nHEAD4\n"}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({}, {}),
        (BOOTED, {"system": "4.5.0.1", "name": "CERN Virtual Machine, version 4.5.0.1"}),
        ({SYSTEM.format("4.9.0.0"): "", SYSTEM.format("4.10.0.0"): ""}, {"system": "4.10.0.0"}),
        ({SYSTEM.format("latest"): "", SYSTEM.format("4.9.0.0"): ""}, {"system": "4.9.0.0"}),
        ({"etc/issue": "Welcome to CERN Virtual Machine, version 3.5.1.4\n"}, {"system": "3.5.1.4"}),
        (SNAPSHOT, {"root_hash": "ab" * 20, "tag": "HEAD4"}),
        ({"mnt/.rw/aux/cvmfs_snapshot": f"{'ab' * 20}\n"}, {"root_hash": "ab" * 20}),
        ({"mnt/.rw/aux/cvmfs_snapshot": "<html>\n"}, {}),
        ({"mnt/.rw/aux/ucernvm-version": "2021.05-1.cernvm.x86_64\n"}, {"bootloader": "2021.05-1"}),
    ],
)
def test_it_tells_which_release_it_is(tmp_path: Path, files: dict[str, str], found: dict[str, str]) -> None:
    names = ("system", "tag", "root_hash", "bootloader", "name")
    assert agent.identity(f"{tree(tmp_path, files)}/") == {**dict.fromkeys(names, ""), **found}


def test_what_the_mounted_system_says_goes_first(tmp_path: Path) -> None:
    tree(tmp_path, {**BOOTED, **SNAPSHOT})
    attributes(tmp_path / "mnt/.ro", {"root_hash": "cd" * 20, "tag": "cernvm-system-4.5.0.1"})
    told = agent.identity(f"{tmp_path}/")
    assert (told["tag"], told["root_hash"]) == ("cernvm-system-4.5.0.1", "cd" * 20)
    assert agent.identity()["tag"] == "", "this computer is none, and no tag is made up"


@pytest.mark.parametrize("kind", ["cernvm-3", "cernvm-4", "mini"])
def test_it_tells_what_a_snapshot_taken_in_it_records(kind: str, tmp_path: Path) -> None:
    environ = write(KINDS[kind], tmp_path)
    recorded, told = describe(tmp_path, environ), agent.identity(f"{tmp_path}/")
    assert recorded.release is not None
    for name in ("system", "root_hash", "bootloader"):
        assert told[name] == getattr(recorded.release, name), name
    assert told["tag"] == recorded.release_tag


@pytest.fixture
def channel() -> Iterator[socket.socket]:
    """The host's end of a channel whose other end the agent serves; a host that goes ends the test's agent."""
    host, guest = socket.socketpair()
    guest.setblocking(False)
    stopped = threading.Event()

    def serve() -> None:
        try:
            agent.serve_fd(guest.fileno(), agent.State(), {})
        except OSError:
            stopped.set()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    host.settimeout(10)
    yield host
    # The agent serves its descriptor for ever. It is made one that cannot be read before it is given back: a later
    # test's socket under the same number must not be answered by this agent.
    with Path(os.devnull).open("wb") as unreadable:
        os.dup2(unreadable.fileno(), guest.fileno())
    host.close()
    thread.join(10)
    assert not thread.is_alive()
    guest.close()


def test_it_answers_over_a_channel(channel: socket.socket) -> None:
    channel.sendall(b'garbage\n{"v": 1, "id": 7, ')
    channel.sendall(b'"do": "state"}\n' + b"x" * (agent.LINE_LIMIT + 1) + b"\n")
    answers = channel.makefile("rb")
    replies = [json.loads(line) for line in (answers.readline() for _ in range(6)) if line.strip()]
    answers.close()
    assert [reply.get("error") for reply in replies] == ["not JSON", None, "line too long"]
    assert replies[1]["id"] == 7
    assert replies[1]["state"]["stage"] == "starting"


def test_stages_are_told_without_the_token(capsys: pytest.CaptureFixture[str]) -> None:
    state = agent.State()
    state.set(stage="failed", detail="no disk")
    state.set(area="copy")
    assert (state.get()["stage"], state.get()["area"]) == ("failed", "copy")
    assert capsys.readouterr().err == "vml-agent: failed no disk\n"


def test_the_label_is_read_from_the_disk_itself(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(32768) + b"\x01CD001\x01\x00" + b" " * 32 + b"VML_AREA".ljust(32) + bytes(2000))
    assert agent.volume_label(str(disk)) == b"VML_AREA"
    disk.write_bytes(bytes(40000))
    assert agent.volume_label(str(disk)) == b""
    assert agent.volume_label(str(tmp_path / "absent")) == b""
    (tmp_path / "short").write_bytes(b"x")
    assert agent.volume_label(str(tmp_path / "short")) == b""


def test_jupyter_is_told_what_keeps_it_closed() -> None:
    told = agent.jupyter_config(
        {"token": "t0ken", "base_url": "/x/", "origin": "https://hub"}, "/home/u/area", ME
    )
    for server in (told["ServerApp"], told["NotebookApp"]):
        assert isinstance(server, dict)
        assert (server["token"], server["base_url"], server["allow_origin"]) == (
            "t0ken",
            "/x/",
            "https://hub",
        )
        assert (server["password"], server["allow_remote_access"]) == ("", True)
        assert not {"disable_check_xsrf", "allow_origin_pat", "allow_credentials"} & set(server)
    assert told["ServerApp"]["root_dir"] == "/home/u/area"  # type: ignore[index]
    plain = agent.jupyter_config({"token": "t"}, "/a", ME)["ServerApp"]
    assert isinstance(plain, dict)
    assert (plain["base_url"], "allow_origin" in plain) == ("/", False)


def test_only_pages_of_this_computers_own_names_may_frame_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "RUN", str(tmp_path))
    file = tmp_path / "jupyter_config.py"
    file.write_text("import sys\n")
    agent.let_frame({"token": "t", "base_url": "/vml/machines/x/"})
    agent.let_frame({"token": "t", "base_url": "/", "origin": "https://x.example.org"})
    assert file.read_text() == "import sys\n", "behind a proxy it stays as it is"
    agent.let_frame({"token": "t"})
    config: dict[str, Any] = defaultdict(SimpleNamespace)
    exec(file.read_text(), {"c": Section(config)})
    told = config["ServerApp"].tornado_settings["headers"]["Content-Security-Policy"]
    assert told == "frame-ancestors 'self' http://localhost:* http://127.0.0.1:*"
    cookie = SimpleCookie()
    cookie["x"] = "y"
    for word, value in config["IdentityProvider"].cookie_options.items():
        cookie["x"][word] = value
    assert "Partitioned" in cookie.output()
    assert "SameSite=None" in cookie.output()


class Section(dict[str, Any]):
    """A configuration of traitlets: its parts are there when they are asked for, by name or as attributes."""

    def __init__(self, parts: dict[str, Any]) -> None:
        self._parts = parts

    def __getitem__(self, name: str) -> Any:
        return self._parts[name]

    __getattr__ = __getitem__


def test_the_configuration_is_private_from_its_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "jupyter.json"
    for text in ("first", "second"):
        agent.write_private(str(path), text, ME)
        assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == (text, 0o600)


def test_the_log_is_told_without_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "RUN", str(tmp_path))
    (tmp_path / "jupyter.log").write_text("a\nb\nhttp://x/?token=s3cret\n")
    assert agent.log_tail("s3cret") == "http://x/?token=..."


@pytest.fixture
def setup_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the agent looks for a set-up script; what it leaves is beside it."""
    script = tmp_path / "setup"
    monkeypatch.setattr(agent, "SETUP", str(script))
    monkeypatch.setattr(agent, "SETUP_LOG", str(tmp_path / "setup.log"))
    monkeypatch.setattr(agent, "RUN", str(tmp_path))
    monkeypatch.setattr(agent, "SETUP_DONE", str(tmp_path / "lib" / "set-up"))
    return script


def test_an_image_is_set_up_once(setup_script: Path, tmp_path: Path) -> None:
    state = agent.State()
    agent.set_up(state)
    assert state.get()["stage"] == "starting", "there is nothing to do"
    setup_script.write_text(f"#!/bin/sh\necho ran >>{tmp_path}/ran\n")
    setup_script.chmod(0o700)
    for _ in range(2):
        agent.set_up(state)
    assert state.get()["stage"] == "setup"
    assert (tmp_path / "ran").read_text() == "ran\n"


def test_a_set_up_that_fails_is_told_and_tried_again(setup_script: Path) -> None:
    setup_script.write_text("#!/bin/sh\necho no such package >&2\nexit 3\n")
    setup_script.chmod(0o700)
    for _ in range(2):
        with pytest.raises(agent.Failed, match="status 3: no such package") as caught:
            agent.set_up(agent.State())
        assert caught.value.lacks == "setup"


def test_a_set_up_that_does_not_end_is_ended(setup_script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "SETUP_WAIT_S", 0.2)
    setup_script.write_text("#!/bin/sh\nexec sleep 1000\n")
    setup_script.chmod(0o700)
    with pytest.raises(agent.Failed, match="takes more than"):
        agent.set_up(agent.State())


def test_a_set_up_that_ended_this_moment_is_not_waited_for(
    setup_script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup_script.write_text("#!/bin/sh\n")
    setup_script.chmod(0o700)
    with subprocess.Popen(["true"]) as ended:
        pass
    monkeypatch.setattr(agent, "kept", lambda name: agent.Kept(ended.pid, "1"))
    agent.set_up(agent.State())
    assert os.path.exists(agent.SETUP_DONE)


def test_a_jupyter_that_was_started_again_is_asked_to_end_with_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    polite = (
        f"trap 'echo asked >{tmp_path}/asked; exit 0' TERM; echo >{tmp_path}/up; while :; do sleep 0.05; done"
    )
    started = []

    def start(program: str, user: object) -> Any:
        started.append(subprocess.Popen(["/bin/sh", "-c", polite]))
        return started[-1]

    def answers(process: Any, base_url: str, state: Any) -> bool:
        if process not in started:
            return True
        while not (tmp_path / "up").exists():
            time.sleep(0.01)
        raise SystemExit(0)  # as SIGTERM does at any moment

    monkeypatch.setattr(agent, "RUN", str(tmp_path))
    monkeypatch.setattr(agent, "start_jupyter", start)
    monkeypatch.setattr(agent, "find_jupyter", lambda view: ("server", "jupyter"))
    monkeypatch.setattr(agent, "wait_for_jupyter", answers)
    (tmp_path / "jupyter.log").write_text("killed\n")
    serving = agent.Serving(subprocess.Popen(["false"]))
    with pytest.raises(SystemExit), agent.ended_with_the_machine(serving):
        agent.supervise(serving, {"token": "t"}, ME, agent.State())
    assert (tmp_path / "asked").read_text() == "asked\n"
    assert [process.poll() for process in started] == [0]


def test_whatever_goes_wrong_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states: list[Any] = []
    (tmp_path / "machine.json").write_text("[]")
    monkeypatch.setattr(agent, "RUN", str(tmp_path))
    monkeypatch.setattr(agent, "CONFIG", str(tmp_path / "machine.json"))
    monkeypatch.setattr(agent, "serve_channel", lambda state, actions: states.append(state))
    monkeypatch.setattr(signal, "pause", lambda: None)
    before = signal.getsignal(signal.SIGTERM)
    try:
        agent.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert states[0].get()["stage"] == "failed"
    assert "AttributeError" in str(states[0].get()["detail"])


def test_the_richest_jupyter_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "SEARCHED", str(tmp_path))
    monkeypatch.setattr(agent, "SEARCHED_TOO", str(tmp_path / "*" / "bin"))
    with pytest.raises(agent.Failed, match=f"no jupyter-lab or .* in {tmp_path}") as caught:
        agent.find_jupyter()
    assert caught.value.lacks == "jupyter"
    own = tmp_path / "miniforge3" / "bin" / "jupyter-server"
    own.parent.mkdir(parents=True)
    own.write_text("")
    own.chmod(0o755)
    assert agent.find_jupyter() == ("server", str(own))
    for program in ("jupyter-server", "jupyter-lab"):
        (tmp_path / program).write_text("")
        (tmp_path / program).chmod(0o755)
        assert agent.find_jupyter()[1] == str(tmp_path / program)
    assert agent.find_jupyter()[0] == "lab"


@pytest.fixture
def lcg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A system like CernVM 4 without a Jupyter, and a function that puts an LCG view into it."""
    views = tmp_path / "cvmfs" / "lcg" / "views"
    monkeypatch.setattr(agent, "VIEWS", str(views))
    monkeypatch.setattr(agent, "SEARCHED", str(tmp_path / "none"))
    monkeypatch.setattr(agent, "SEARCHED_TOO", str(tmp_path / "none" / "*"))
    release = tmp_path / "os-release"
    release.write_text('NAME="CentOS Linux"\nID="centos"\nVERSION_ID="7"\n')
    monkeypatch.setattr(agent, "OS_RELEASE", str(release))

    def make(name: str, platform: str, *programs: str) -> str:
        view = views / name / f"{os.uname().machine}-{platform}"
        (view / "bin").mkdir(parents=True)
        (view / "setup.sh").write_text('export VIEW_IS_SET_UP="$BASH_SOURCE"\nfalse\n')
        for program in programs:
            (view / "bin" / program).write_text(
                '#!/bin/sh\necho "$VIEW_IS_SET_UP" "$@" "$JUPYTER_CONFIG_DIR"\n'
            )
            (view / "bin" / program).chmod(0o755)
        return str(view)

    return make


def test_without_a_jupyter_of_its_own_a_system_takes_that_of_an_lcg_view(lcg: Callable[..., str]) -> None:
    with pytest.raises(agent.Failed, match=r"none is in .*/lcg/views") as caught:
        agent.find_jupyter()
    assert caught.value.lacks == "jupyter"
    lcg("LCG_107", "el9-gcc13-opt", "jupyter-lab")
    lcg("LCG_106", "centos7-gcc11-dbg", "jupyter-lab")
    lcg("dev4", "centos7-gcc11-opt", "jupyter-lab")
    empty = lcg("LCG_105", "centos7-gcc12-opt")
    with pytest.raises(agent.Failed, match=f"{os.uname().machine}-centos7.*{empty}"):
        agent.find_jupyter()
    old = lcg("LCG_99", "centos7-gcc10-opt", "jupyter-notebook")
    assert agent.find_jupyter() == ("notebook", f"{old}/bin/jupyter-notebook")
    new = lcg("LCG_104", "centos7-gcc11-opt", "jupyter-lab", "jupyter-notebook")
    assert agent.find_jupyter() == ("lab", f"{new}/bin/jupyter-lab")
    assert agent.find_jupyter(old) == ("notebook", f"{old}/bin/jupyter-notebook")
    for other in ("/nonsense", str(Path(new).parent.parent / "LCG_107" / "x86_64-el9-gcc13-opt"), empty):
        assert agent.find_jupyter(other) == ("lab", f"{new}/bin/jupyter-lab")


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ('ID="scientific"\nVERSION_ID="7.9"', ["centos7", "el7"]),
        ('ID="almalinux"\nVERSION_ID="9.4"', ["el9"]),
        ("ID=ubuntu\nVERSION_ID=22.04", ["ubuntu2204"]),
        ("ID=debian\nVERSION_ID=12", ["debian12"]),
    ],
)
def test_a_system_is_called_as_lcg_calls_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, names: list[str]
) -> None:
    (tmp_path / "os-release").write_text(said)
    monkeypatch.setattr(agent, "OS_RELEASE", str(tmp_path / "os-release"))
    assert agent.platforms() == [f"{os.uname().machine}-{name}" for name in names]


def test_the_jupyter_of_a_view_runs_where_the_view_was_set_up(
    lcg: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "RUN", str(tmp_path))
    view = lcg("LCG_106", "centos7-gcc11-opt", "jupyter-lab")
    process = agent.start_jupyter(agent.find_jupyter()[1], ME)
    assert process.wait(30) == 0
    said = (tmp_path / "jupyter.log").read_text()
    assert said.startswith(f"{view}/setup.sh --config={tmp_path}/jupyter.json ")
    assert said.rstrip().endswith("/.jupyter"), (
        "its configuration must not lie in the view, which is read-only"
    )


@pytest.mark.parametrize(
    ("reply", "version"),
    [
        (b'HTTP/1.1 200 OK\r\n\r\n{"version": "2.14.2"}', "2.14.2"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", ""),
        (b"HTTP/1.1 200 OK\r\n\r\n[]", ""),
        (b"HTTP/1.1 503 Busy\r\n\r\n{}", ""),
        (b"", ""),
    ],
)
def test_jupyter_answers_when_its_api_does(
    monkeypatch: pytest.MonkeyPatch, reply: bytes, version: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(agent, "JUPYTER_PORT", server.getsockname()[1])

        def serve() -> None:
            link, _ = server.accept()
            with link:
                link.recv(4096)
                link.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        assert agent.jupyter_version("/") == version
        thread.join()
    assert agent.jupyter_version("/") == ""


def test_a_failing_command_is_told() -> None:
    with pytest.raises(agent.Failed, match=r"ls: .*no-such-file"):
        agent.run("ls", "/no-such-file")


def test_an_answer_waits_for_a_host_that_seems_to_be_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel tells of a hung-up port until it has noticed that the host opened it again."""
    host, port = os.pipe()
    told = iter([select.POLLHUP, select.POLLHUP, select.POLLOUT])

    class Port:
        def register(self, fd: int, events: int) -> None:
            assert (fd, events) == (port, select.POLLOUT)

        def poll(self, milliseconds: int) -> list[tuple[int, int]]:
            return [(port, next(told))]

    monkeypatch.setattr(agent.select, "poll", Port)
    agent.send(port, {"v": 1})
    os.close(port)
    with open(host, "rb") as answer:
        assert answer.read() == b'\n{"v": 1}\n'
    assert list(told) == []


ADOPTION = {
    "v": 1,
    "id": 9,
    "do": "adopt",
    "config": {"token": "t", "machine": "m"},
    "time": 2e9,
    "entropy": "00",
}


def test_only_a_machine_that_waits_is_adopted_and_only_by_a_whole_request() -> None:
    taken: list[dict[str, object]] = []
    actions = {"adopt": taken.append}
    assert agent.answer(json.dumps(ADOPTION).encode(), agent.State(), {})["error"] == "unknown request"
    for lacking in ("config", "time", "entropy"):
        less = {name: value for name, value in ADOPTION.items() if name != lacking}
        assert "error" in agent.answer(json.dumps(less).encode(), agent.State(), actions)
    for config in ({}, {"token": "t"}, {"machine": "m"}, [], "x"):
        assert "error" in agent.answer(
            json.dumps({**ADOPTION, "config": config}).encode(), agent.State(), actions
        )
    assert taken == []
    assert agent.answer(json.dumps(ADOPTION).encode(), agent.State(), actions) == {
        "v": 1,
        "id": 9,
        "done": True,
    }
    assert taken == [ADOPTION]


def test_what_an_agent_that_was_killed_had_started_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent, "RUN", str(tmp_path))
    assert agent.kept("jupyter") is None
    with subprocess.Popen(
        [sys.executable, "-c", "input()"],
        stdin=subprocess.PIPE,
        preexec_fn=lambda: agent.remember("jupyter"),
    ) as process:
        found = agent.kept("jupyter")
        assert found is not None
        assert (found.pid, found.poll()) == (process.pid, None)
        with pytest.raises(subprocess.TimeoutExpired):
            found.wait(timeout=0.1)
        agent.end(found)
        assert process.wait(10) == -signal.SIGKILL
        assert found.poll() is not None
    assert agent.kept("jupyter") is None
    (tmp_path / "jupyter.pid").write_text(f"{os.getpid()} 1\n")
    assert agent.kept("jupyter") is None, "a number that was given to another process since"
