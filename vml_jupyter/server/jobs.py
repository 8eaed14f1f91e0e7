"""Jobs: how they stand, and ending one."""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from tornado import web

from vml_jupyter.server.handler import VmlHandler


class JobsHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.reply({"jobs": self.vml.desk.jobs()})


class JobHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def get(self, job: str) -> None:
        self.reply({"job": self.vml.desk.get(job)})

    @web.authenticated
    @authorized
    async def delete(self, job: str) -> None:
        self.reply({"job": self.vml.desk.cancel(job)})
