"""Waiting for a machine: in order, told, and with a reason when it does not come."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from vml_jupyter.errors import Cancelled, MachineGone, MachineNotReady
from vml_jupyter.guest import REQUIREMENTS, AgentClient, GuestState, Requirement, wait_ready
from vml_jupyter.progress import SILENT, Progress, Silent


class Agent(AgentClient):
    """An agent that is one stage further each time it is asked; an empty stage is no answer."""

    def __init__(self, *stages: str) -> None:
        super().__init__(Path("/nowhere"))
        self._stages = list(stages)

    def state(self, timeout_s: float = 5.0) -> GuestState:
        stage = self._stages.pop(0) if len(self._stages) > 1 else self._stages[0]
        if not stage:
            raise MachineGone("not yet")
        state = GuestState(stage=stage.partition(":")[0], lacks=stage.partition(":")[2])
        return msgspec.structs.replace(state, detail="why not") if state.stage == "failed" else state


class Heard(Silent):
    def __init__(self) -> None:
        self.said: list[tuple[int, int | None, str]] = []
        self.notes: list[str] = []

    def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
        self.said.append((done, total, unit))

    def note(self, text: str) -> None:
        self.notes.append(text)


def row(name: str, check: Callable[..., bool], **more: object) -> Requirement:
    return Requirement(name, f"{name} holds", check, f"mend {name}", **more)  # type: ignore[arg-type]


def wait(
    agent: AgentClient,
    *rows: Requirement,
    timeout_s: float = 5.0,
    alive: Callable[[], bool] = lambda: True,
    progress: Progress = SILENT,
) -> GuestState:
    return wait_ready(
        agent,
        port=9,
        base_url="/",
        token="t",
        timeout_s=timeout_s,
        alive=alive,
        console=lambda: "login:",
        progress=progress,
        requirements=rows or REQUIREMENTS[:-1],
    )


def test_a_machine_that_comes_up_is_awaited_in_order() -> None:
    heard = Heard()
    state = wait(Agent("", "starting", "area", "jupyter", "jupyter", "ready"), progress=heard)
    assert state.stage == "ready"
    assert [done for done, _, _ in heard.said] == sorted(done for done, _, _ in heard.said)
    assert {total for _, total, _ in heard.said} == {5}


def test_the_address_is_not_there_before_jupyter_answers() -> None:
    with pytest.raises(MachineNotReady, match="answers on this host"):
        wait(Agent("ready"), *REQUIREMENTS, timeout_s=0.3)


def test_an_agent_that_gave_up_ends_the_waiting_at_once() -> None:
    with pytest.raises(MachineNotReady, match="why not") as caught:
        wait(Agent("starting", "failed"), timeout_s=60)
    assert caught.value.console == "login:"


@pytest.mark.parametrize("lacking", ["jupyter", "setup"])
def test_what_an_image_lacks_is_told_with_what_to_do(lacking: str) -> None:
    with pytest.raises(MachineNotReady, match="why not") as caught:
        wait(Agent("starting", f"failed:{lacking}"), timeout_s=60)
    assert "--setup" in caught.value.hint
    assert ("--with-jupyter" in caught.value.hint) == (lacking == "jupyter")


def test_time_stands_still_while_an_image_is_set_up() -> None:
    until = time.monotonic() + 0.5

    def slow(_: object) -> bool:
        return time.monotonic() > until

    later = row("later", lambda _: True)
    wait(Agent("ready"), row("setup", slow, apart_s=60.0), later, timeout_s=0.2)
    with pytest.raises(MachineNotReady, match="setup holds"):
        wait(Agent("ready"), row("setup", lambda _: False, apart_s=0.2), later, timeout_s=0.1)


def test_what_does_not_come_in_time_is_told_with_its_hint() -> None:
    with pytest.raises(MachineNotReady, match="agent answers") as caught:
        wait(Agent(""), timeout_s=0.2)
    assert caught.value.hint
    assert caught.value.console == "login:"


def test_a_machine_that_ends_is_not_waited_for() -> None:
    answers = iter([True, True, False])
    with pytest.raises(MachineNotReady, match="has ended"):
        wait(Agent(""), timeout_s=60, alive=lambda: next(answers))


def test_what_is_not_fatal_is_passed_over_with_a_note() -> None:
    heard = Heard()
    optional = row("grid", lambda _: False, fatal=False, patience_s=0.1)
    wait(Agent("ready"), optional, row("rest", lambda _: True), progress=heard)
    assert heard.notes == ["grid holds: not so, going on. mend grid"]


def test_the_user_can_cancel() -> None:
    class Impatient(Silent):
        def advance(self, done: int, total: int | None = None, unit: str = "") -> None:
            raise Cancelled

    with pytest.raises(Cancelled):
        wait(Agent(""), progress=Impatient())
