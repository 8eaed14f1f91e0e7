"""What must hold before a machine is handed to its user, as a table, and the waiting for it.

    alive      the hypervisor still runs it              channel    its agent answers
    setup      what its image lacked has been put in     area       the working area is mounted
    jupyter    Jupyter answers inside                    address    Jupyter answers at 127.0.0.1:PORT

Each row is asked until it holds, quickly and in order, so progress reads "3 of 6". What fails is told with its hint
and the end of the machine's console.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vml_jupyter.errors import Foreign, MachineGone, MachineNotReady
from vml_jupyter.guest.client import AgentClient, GuestState
from vml_jupyter.progress import SILENT, Progress

POLL_S = 0.05
# A little longer than the agent gives it, so that the agent's own word comes first.
SETUP_S = 3700.0

_ANSWER_S = 2.0
_PAST = {
    "setup": ("area", "jupyter", "ready"),
    "area": ("jupyter", "ready"),
    "jupyter": ("ready",),
}
# What the user can do where the guest says that its system lacks something.
_LACKS = {
    "jupyter": "Add the image once more (`vml releases add`) with --with-jupyter, which installs JupyterLab at each"
    " machine's first boot, or with --setup FILE, a script of your own; or put Jupyter into the image: see the README.",
    "setup": "Has the machine a network? Else add the image once more (`vml releases add`) with a --setup that works in"
    " it.",
}


@dataclass
class Situation:
    """What is known of a machine while it comes up; the checks ask, and the agent's last answer stays.

    ``alive`` asks the hypervisor; ``console`` returns the last lines of the machine's console.
    """

    agent: AgentClient
    port: int
    base_url: str
    token: str
    alive: Callable[[], bool]
    console: Callable[[], str]
    state: GuestState = field(default_factory=lambda: GuestState(stage=""))

    def ask(self) -> bool:
        """Ask the agent once; tell whether it answered.

        Raises:
            MachineNotReady: The agent says that it failed.
        """
        try:
            self.state = self.agent.state(_ANSWER_S)
        except (MachineGone, Foreign):
            return False
        if self.state.stage == "failed":
            raise MachineNotReady(
                f"the machine gave up: {self.state.detail}",
                _LACKS.get(self.state.lacks, "Its console may tell more."),
                self.console(),
            )
        return True

    def is_past(self, stage: str) -> bool:
        return self.state.stage in _PAST[stage] or (self.ask() and self.state.stage in _PAST[stage])

    def answers_outside(self) -> bool:
        """Tell whether an HTTP answer of Jupyter's comes through the forwarded port."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_S)
        try:
            authorization = {"Authorization": f"token {self.token}"}
            connection.request("GET", f"{self.base_url.rstrip('/')}/api", headers=authorization)
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@dataclass(frozen=True)
class Requirement:
    """One row: ``check`` is asked until it holds; ``hint`` is what to do where it never does.

    One that is not ``fatal`` is passed over after ``patience_s``, with a note. For one with ``apart_s`` the time of all
    stands still while it is waited for, at most so long.
    """

    name: str
    title: str
    check: Callable[[Situation], bool]
    hint: str
    fatal: bool = True
    patience_s: float = float("inf")
    apart_s: float = 0.0


REQUIREMENTS: tuple[Requirement, ...] = (
    Requirement(
        "alive",
        "the machine runs",
        lambda situation: situation.alive(),
        "The hypervisor ended it at once: its console and the log of its domain may tell why.",
    ),
    Requirement(
        "channel",
        "its agent answers",
        lambda situation: situation.ask(),
        "The system did not boot, or did not unpack its context: an ordinary image needs cloud-init for that. A machine"
        " boots slowly without KVM: more time helps (ready_timeout_s, VML_READY_TIMEOUT).",
    ),
    Requirement(
        "setup",
        "what its image lacks has been put in",
        lambda situation: situation.is_past("setup"),
        "The script that was added with the image does not end.",
        apart_s=SETUP_S,
    ),
    Requirement(
        "area",
        "the working area is mounted",
        lambda situation: situation.is_past("area"),
        "Is the server of the working area still running?",
    ),
    Requirement(
        "jupyter",
        "Jupyter has started in it",
        lambda situation: situation.is_past("jupyter"),
        "The system may be too slow or too small: give the machine more memory, or more time.",
    ),
    Requirement(
        "address",
        "Jupyter answers on this host",
        lambda situation: situation.answers_outside(),
        "The machine's network did not come up: it got no address, passt has ended, or the system has a firewall.",
    ),
)


def wait_ready(
    agent: AgentClient,
    *,
    port: int,
    base_url: str,
    token: str,
    timeout_s: float,
    alive: Callable[[], bool],
    console: Callable[[], str] = lambda: "",
    progress: Progress = SILENT,
    requirements: Sequence[Requirement] = REQUIREMENTS,
) -> GuestState:
    """Wait until every requirement holds.

    Args:
        agent: The machine's agent.
        port: Where its Jupyter is forwarded to on 127.0.0.1.
        base_url: Its path there.
        token: Its token.
        timeout_s: For all requirements together.
        alive: Tells whether the hypervisor runs the machine.
        console: Returns the last lines of its console, for the error.
        progress: Hears which requirement is waited for; may cancel.
        requirements: The table, in the order of asking.

    Returns:
        The guest's last answer.

    Raises:
        MachineNotReady: One does not hold in time, or the machine has ended; with the console's last lines.
        Cancelled: Progress said so.
    """
    situation = Situation(agent, port, base_url, token, alive, console)
    end = time.monotonic() + timeout_s
    for number, requirement in enumerate(requirements, 1):
        progress.advance(number, len(requirements), requirement.title)
        since = time.monotonic()
        holds = _holds(
            requirement, situation, end + requirement.apart_s, progress, (number, len(requirements))
        )
        if requirement.apart_s:
            end += time.monotonic() - since
        if not holds:
            progress.note(f"{requirement.title}: not so, going on. {requirement.hint}")
    return situation.state


def _holds(
    requirement: Requirement, situation: Situation, end: float, progress: Progress, place: tuple[int, int]
) -> bool:
    patience = time.monotonic() + requirement.patience_s
    while not requirement.check(situation):
        now = time.monotonic()
        if not situation.alive():
            raise _not_ready(
                f"the machine has ended before this: {requirement.title}", requirement, situation
            )
        if now >= end and requirement.fatal:
            raise _not_ready(f"not in time: {requirement.title}", requirement, situation)
        if now >= min(end, patience):
            return False
        progress.advance(*place, requirement.title)  # a chance to cancel
        time.sleep(POLL_S)  # the guest tells nothing by itself
    return True


def _not_ready(message: str, requirement: Requirement, situation: Situation) -> MachineNotReady:
    return MachineNotReady(message, requirement.hint, situation.console())
