"""Warm states that tests share, for those that need a machine and not its boot: a boot takes a minute, a wake seconds.

A test says which systems it wants: ``@pytest.mark.warm("4.5.0.1", ...)``. Whoever is first makes the state, and both
workers and the next run find it: it lies beside the built release in the user's data folder, and what it was made for
(image, agent, shape, hypervisor ...) tells whether it still serves. All others boot their machines.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterable

from vml_jupyter.flows import warming
from vml_jupyter.flows.settings import Settings, load

_QUOTA_MIB = 8192


def warmed(settings: Settings, systems: Iterable[str]) -> Settings:
    """Return settings with which machines of these systems are woken; their data folder is a test's own."""
    shared = load().data / "warm-for-tests"
    shared.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.warm.symlink_to(shared)
    settings = settings.using(warm_quota_mib=_QUOTA_MIB)
    with (shared / "tests.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other worker's is waited for, and then there
        for system in systems:
            warming.warm(settings, system)
    return settings
