"""Code run in a machine by its own Jupyter, for the benches that measure what happens there."""

from __future__ import annotations

import time
from pathlib import Path

from vml_jupyter.flows.settings import Settings
from vml_jupyter.guest.notebook import _connected, _Jupyter
from vml_jupyter.machine import Host

_LONGEST_S = 300


def run_in(settings: Settings, machine: str, code: str) -> float:
    """Run Python in a fresh kernel of a machine; return the seconds that it took, without the start of the kernel."""
    with Host.connect(settings.libvirt_uri, settings.data) as host:
        spec = host.spec(machine)
    url = f"http://127.0.0.1:{spec.port}"
    with (
        _Jupyter(url, spec.token).session(f"{Path(__file__).stem}.ipynb", "python3") as kernel_id,
        _connected(f"{url}/", spec.token, kernel_id) as kernel,
    ):
        kernel.execute("pass", timeout=_LONGEST_S)
        begun = time.perf_counter()
        reply = kernel.execute(code, timeout=_LONGEST_S)
        seconds = time.perf_counter() - begun
        if reply["status"] != "ok":
            raise SystemExit(f"a machine could not run {code!r}: {reply['outputs']}")
        return seconds
