"""Sessions of requests whose connections a deadline can shut down; imported by the first who asks a server.

requests is among the dearest imports there are, and a restore of what is on this computer asks nobody.
"""

from __future__ import annotations

import socket
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.exceptions import TimeoutError as PoolTimeout

from vml_jupyter.release.deadline import Stalled, watched

BROKEN = (requests.RequestException, HTTPError, Stalled)
SLOW = (requests.Timeout, PoolTimeout, Stalled)
UNTRUSTED = (requests.exceptions.SSLError,)
CUT = (requests.exceptions.ChunkedEncodingError, ProtocolError)


def session() -> requests.Session:
    """Return a session whose connections a deadline can watch."""
    made, adapter = requests.Session(), _Adapter()
    made.mount("http://", adapter)
    made.mount("https://", adapter)
    return made


class _Plain(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return watched(super()._new_conn())


class _Secure(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return watched(super()._new_conn())


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


_POOLS = {"http": _PlainPool, "https": _SecurePool}


class _Adapter(HTTPAdapter):
    """Makes connections that the present deadline knows of; those of a SOCKS proxy have their time-outs only."""

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **more)
        if not proxy.lower().startswith("socks"):
            manager.pool_classes_by_scheme = _POOLS
        return manager
