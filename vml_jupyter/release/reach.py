"""Tell within two seconds which servers answer, so that nobody without network waits for each of them in turn.

    hosts -> one thread each: resolve the name, connect -> those that answered before the deadline

The threads are there because a name cannot be resolved with a deadline (``getaddrinfo`` waits as long as the system
is configured to, often half a minute), and because ten servers shall not take ten times as long as one. A thread that
is still waiting is left behind: it ends by itself, and at most says once more that its server is silent.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

PATIENCE_S = 2.0
_REMEMBERED_S = 10.0
_PORTS = {"http": 80, "https": 443, "socks4": 1080, "socks4a": 1080, "socks5": 1080, "socks5h": 1080}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")

Address = tuple[str, int]
# Of this process, for a short while: a flow asks one server many small questions.
_silent: dict[Address, float] = {}
_answered: dict[Address, float] = {}


def uses_proxy(url: str) -> bool:
    """Tell whether the user's proxy settings count for a URL; no proxy reaches this computer's own loopback."""
    return urlsplit(url).hostname not in _LOOPBACK


def first_hop(url: str) -> Address | None:
    """Return host and port that are connected to for a URL: its proxy, else its server; None for no such thing."""
    from requests.utils import get_environ_proxies, select_proxy

    proxy = select_proxy(url, get_environ_proxies(url)) if uses_proxy(url) else None
    try:
        parts = urlsplit(proxy or url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and port else None


def answers(url: str) -> bool:
    """Tell whether the server of a URL takes connections, within two seconds."""
    return bool(answering([url]))


def answering(urls: Iterable[str]) -> list[str]:
    """Return those URLs whose servers take connections; all are asked at once, for two seconds."""
    hops = {url: first_hop(url) for url in urls}
    _ask({hop for hop in hops.values() if hop})
    return [url for url, hop in hops.items() if hop in _answered]


def forget() -> None:
    """Forget which servers answered, as after the network has come or gone."""
    _silent.clear()
    _answered.clear()


def _ask(hops: set[Address]) -> None:
    now = time.monotonic()
    recent = {
        hop for known in (_silent, _answered) for hop, at in list(known.items()) if now - at < _REMEMBERED_S
    }
    waiting = []
    for hop in hops - recent:
        thread = threading.Thread(target=_connect, args=(hop,), name=f"reach-{hop[0]}", daemon=True)
        thread.start()
        waiting.append((hop, thread))
    for hop, thread in waiting:
        thread.join(max(0.0, now + PATIENCE_S - time.monotonic()))
        if thread.is_alive():
            _answered.pop(hop, None)  # some time ago
            _silent[hop] = time.monotonic()


def _connect(hop: Address) -> None:
    try:
        with socket.create_connection(hop, timeout=PATIENCE_S):
            _answered[hop] = time.monotonic()
            _silent.pop(hop, None)
    except TimeoutError:  # which may come just before the look at who is still waiting
        _answered.pop(hop, None)
        _silent[hop] = time.monotonic()
    except OSError:  # a refusal comes at once and need not be remembered
        _answered.pop(hop, None)
