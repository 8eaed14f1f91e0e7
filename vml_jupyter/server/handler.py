"""What all handlers share: decoding, replying, waiting for what blocks, and errors becoming HTTP.

VmlError  ->  its http_status, {"code": "machine-not-ready", "message": ..., "hint": ..., "console": ...}
HTTPError ->  its status,      {"code": "http-403", "message": ..., "hint": ""}
any other ->  500,             {"code": "unexpected", ...}, with a traceback in the log only
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec
from jupyter_server.base.handlers import APIHandler
from jupyter_server.extension.handler import ExtensionHandlerMixin
from tornado import web

from vml_jupyter.errors import Usage, VmlError
from vml_jupyter.jobs import Failure
from vml_jupyter.parsing import parse

if TYPE_CHECKING:
    from vml_jupyter.server.app import VmlExtension

T = TypeVar("T")


class VmlHandler(ExtensionHandlerMixin, APIHandler):
    """Base of every handler below ``vml/api``."""

    auth_resource = "vml"

    @property
    def vml(self) -> VmlExtension:
        """The extension application."""
        return cast("VmlExtension", self.extensionapp)

    def body(self, type_: type[T]) -> T:
        """Decode the request's JSON body.

        Raises:
            Usage: It is not JSON, or not of this shape.
        """
        try:
            return parse(self.request.body or b"{}", type_)
        except msgspec.DecodeError as error:
            raise Usage(
                f"The request cannot be understood: {error}",
                "Reload the page; it may be older than the server",
            ) from error

    async def beside(self, call: Callable[..., T], *args: Any) -> T:
        """Run what blocks, without blocking the event loop."""
        return await asyncio.to_thread(call, *args)

    def reply(self, what: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        """Answer with JSON."""
        self.set_status(status)
        self.finish(msgspec.json.encode(what))

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        super().send_error(http_status(status_code, kwargs.get("exc_info")), **kwargs)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(msgspec.json.encode(told(status_code, kwargs.get("exc_info"))))

    def log_exception(self, *exc_info: Any) -> None:
        if isinstance(exc_info[1], VmlError):
            self.log.warning("%s %s: %s", self.request.method, self.request.path, exc_info[1].message)
        else:
            super().log_exception(*exc_info)


class ListHandler(VmlHandler):
    """Base of the handlers of long lists, which a browser that has one already gets only when it has changed.

    GET ...              {"state": "5f0c...", "entries": ...}
    GET ...?known=5f0c.. {"state": "5f0c..."}
    """

    async def reply_if_new(self, encoded: Callable[[], bytes]) -> None:
        """Answer with the JSON object that ``encoded`` makes, beside the event loop as ten thousand rows take long."""
        self.finish(await self.beside(_unless_known, encoded, self.get_query_argument("known", "")))

    def compute_etag(self) -> None:
        """Leave out what would hash megabytes on the event loop."""


def _unless_known(encoded: Callable[[], bytes], known: str) -> bytes:
    told = encoded()
    state = hashlib.blake2b(told, digest_size=16).hexdigest()
    head = b'{"state":"' + state.encode() + b'"'
    return head + b"}" if state == known else head + b"," + told[1:]


def http_status(status_code: int, exc_info: Any) -> int:
    """Return the status of the error that was raised, if it is one of ours."""
    error = exc_info[1] if exc_info else None
    return error.http_status if isinstance(error, VmlError) else status_code


def told(status_code: int, exc_info: Any) -> Failure:
    """Return what the browser is told of an error."""
    error = exc_info[1] if exc_info else None
    if error is None or isinstance(error, web.HTTPError):
        said = getattr(error, "log_message", None) or getattr(error, "reason", None)
        return Failure(code=f"http-{status_code}", message=said or HTTPStatus(status_code).phrase)
    return Failure.of(error)
