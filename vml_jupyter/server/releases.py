"""Releases that can be chosen, how large a machine can be, and the environment that this server runs in."""

from __future__ import annotations

import os

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


class ShapeHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Reply how large a machine becomes unless told otherwise, and what this computer has."""
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        self.reply(
            {
                "shape": self.vml.user_settings.shape,
                "cpus": len(os.sched_getaffinity(0)),
                "memory_mib": pages >> 20,
            }
        )


class EnvironmentHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.reply(environment_view(await self.beside(self.vml.flows.environment)))
