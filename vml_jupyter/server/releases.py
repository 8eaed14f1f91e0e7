"""Releases that can be chosen, and the environment that this server runs in."""

from __future__ import annotations

from jupyter_server.auth.decorator import authorized
from tornado import web

from vml_jupyter.server.handler import VmlHandler
from vml_jupyter.server.views import environment_view, offered_views


class ReleasesHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        releases = await self.beside(self.vml.flows.releases)
        self.reply({"releases": offered_views(releases)})


class EnvironmentHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.reply(environment_view(await self.beside(self.vml.flows.environment)))
