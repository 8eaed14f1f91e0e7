"""What runs inside a machine, and the talk with it.

pickup(GuestConfig)  ->  agent.py runs in the guest  <->  AgentClient, wait_ready        execute_notebook
                         teller.py                   <->  changes_of
"""

from vml_jupyter.guest.client import AgentClient, GuestRelease, GuestState
from vml_jupyter.guest.pickup import (
    AGENT_UNIT,
    GuestConfig,
    jupyter_setup,
    pickup,
    pickup_of,
)
from vml_jupyter.guest.readiness import REQUIREMENTS, Requirement, wait_ready

__all__ = [
    "AGENT_UNIT",
    "REQUIREMENTS",
    "AgentClient",
    "GuestConfig",
    "GuestRelease",
    "GuestState",
    "Requirement",
    "jupyter_setup",
    "pickup",
    "pickup_of",
    "wait_ready",
]
