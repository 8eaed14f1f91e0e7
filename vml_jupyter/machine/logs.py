"""The logs that libvirt writes of a domain outside the machine's folder, and does not remove with it.

$XDG_CACHE_HOME/libvirt/qemu/log/vml-<id>.log       an ordinary user's session
~/.cache/vml/libvirt/qemu/log/vml-<id>.log          root's
"""

from __future__ import annotations

from pathlib import Path

import platformdirs


def remove_domain_log(name: str) -> None:
    """Remove the logs of a domain that is no more."""
    for cache in (platformdirs.user_cache_path("vml"), platformdirs.user_cache_path()):
        for log in (Path(cache) / "libvirt" / "qemu" / "log").glob(f"{name}.log*"):
            log.unlink(missing_ok=True)
