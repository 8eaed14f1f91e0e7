"""The extension application: its traits are the whole configuration.

    c.VmlExtension.logbook = "s3://group-bucket/logbook"
    c.VmlExtension.machine_access = "proxy"

What is not set here comes from the user's own settings (environment and configuration file); the traits of those
settings are in ``traits``.
"""

from __future__ import annotations

import asyncio
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.utils import url_path_join
from traitlets import Any as AnyTrait
from traitlets import Enum, Integer, Unicode, default

from vml_jupyter.flows.trust import TrustedEntries
from vml_jupyter.jobs import Estimates, Job, JobDesk, Journal
from vml_jupyter.server import events
from vml_jupyter.server.doors import Doors
from vml_jupyter.server.flows import Flows
from vml_jupyter.server.launching import Launches
from vml_jupyter.server.made import MadeLaunchers
from vml_jupyter.server.routes import routes
from vml_jupyter.server.shelf import Shelf
from vml_jupyter.server.tls import Tls
from vml_jupyter.server.traits import UserTraits
from vml_jupyter.server.watch import watch
from vml_jupyter.server.wishes import listen

if TYPE_CHECKING:
    from jupyter_events import EventLogger
    from jupyter_server.serverapp import ServerApp

    from vml_jupyter.flows.settings import Settings


class VmlExtension(UserTraits, ExtensionApp):  # type: ignore[misc]  # made from the table of settings
    """The Virtual Machine Logbook on a Jupyter server."""

    name = "vml_jupyter"
    load_other_extensions = True

    machine_access = Enum(
        ["auto", "direct", "proxy"],
        default_value="auto",
        help=(
            "How a browser reaches a machine: 'direct' at http://vml-<machine>.localhost:<port>/, which "
            "needs the browser on this computer; 'proxy' through this server below vml/machines/, where the "
            "machine's pages share the origin of this server, so only entries that the user made or trusts "
            "are opened; 'auto' tells the two apart by the request."
        ),
    ).tag(config=True)
    machine_address = Unicode(
        help=(
            "Where a reverse proxy of the administrator shows machines under names of their own, e.g. "
            "'https://{machine}.vml.example.org' for 127.0.0.1:{port}. When set, it is used always."
        )
    ).tag(config=True)
    tls_port = Integer(
        0,
        min=0,
        max=65535,
        help=(
            "One more port of this server, with TLS and a certificate that it makes for itself, which launchers know "
            "by its SHA-256: for browsers on other computers where no certificate is to be had. 0 for none."
        ),
    ).tag(config=True)
    workers = Integer(3, min=1, help="How many jobs run at the same time.").tag(config=True)

    _watching: asyncio.Task[None] | None = None
    _listening: asyncio.Task[None] | None = None

    flows = AnyTrait(help="What the handlers call; see vml_jupyter.server.flows.")

    shelf = AnyTrait(help="What the handlers call to look into entries; see vml_jupyter.server.shelf.")

    @default("shelf")
    def _default_shelf(self) -> Shelf:
        return Shelf(self.user_settings)

    @default("flows")
    def _default_flows(self) -> Flows:
        return Flows(self.user_settings)

    @cached_property
    def user_settings(self) -> Settings:
        """The user's settings, with what the traits say on top."""
        from vml_jupyter.flows import settings

        said = self.said()
        data = said.pop("data", None)
        folder = Path(str(data)).expanduser().absolute() if data else None
        return settings.load(over=said).using(data=folder)

    def read_settings_again(self) -> None:
        """Let what the user changed in the configuration file hold from now on."""
        self.__dict__.pop("user_settings", None)
        self.__dict__.pop("doors", None)
        self.shelf = self._default_shelf()
        self.flows = self._default_flows()

    @cached_property
    def desk(self) -> JobDesk:
        """The jobs of this server."""
        settings = self.user_settings
        estimates = Estimates(settings.cache / "durations.json")
        desk = JobDesk(Journal(settings.data / "jobs"), workers=self.workers, estimates=estimates)
        desk.listen(self._job_changed)
        return desk

    @cached_property
    def doors(self) -> Doors:
        """Where the machines listen."""
        return Doors(self.flows)

    @cached_property
    def launches(self) -> Launches:
        """Launchers, and the machines that came of them."""
        return Launches(self.user_settings)

    @cached_property
    def made(self) -> MadeLaunchers:
        """Launchers that wait to be downloaded."""
        return MadeLaunchers(self.user_settings)

    @cached_property
    def tls(self) -> Tls:
        """The port with a certificate of its own; 0 where there is none."""
        return Tls(self.user_settings.data / "tls")

    @cached_property
    def trusted(self) -> TrustedEntries:
        """Entries whose pages may share this server's origin."""
        return TrustedEntries(self.user_settings.data / "trusted-entries")

    @property
    def proxy_base_url(self) -> str:
        """The address below which this server shows machines, with ``{machine}`` for the id."""
        return url_path_join(self._server.base_url, "vml/machines/{machine}/")

    @property
    def _server(self) -> ServerApp:
        assert self.serverapp is not None, "a server extension is always linked to its server"
        return self.serverapp

    @property
    def _events(self) -> EventLogger:
        return cast("EventLogger", self._server.event_logger)

    def initialize_settings(self) -> None:
        self._events.register_event_schema(events.SCHEMA)
        self._events.register_event_schema(events.LAUNCH_SCHEMA)
        self._events.register_event_schema(events.ENTRY_SCHEMA)

    def initialize_handlers(self) -> None:
        self.handlers.extend(routes(self))

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Begin to watch and listen to machines; called by Jupyter Server once its loop runs."""
        self._watching = asyncio.create_task(watch(self, self.log))
        self._listening = asyncio.create_task(listen(self, self.log))
        if self.tls_port:
            await self._listen_with_tls(serverapp)

    async def _listen_with_tls(self, serverapp: ServerApp) -> None:
        try:
            self.tls.listen(serverapp, await asyncio.to_thread(self.tls.prepare), self.tls_port)
        except OSError as error:  # the other port serves all the same
            self.log.warning("there is no TLS at port %d: %s", self.tls_port, error)

    async def stop_extension(self) -> None:
        """End the watch and the jobs when the server stops; called by Jupyter Server."""
        for task in (self._watching, self._listening):
            if task is not None:
                task.cancel()
        if "launches" in self.__dict__:
            self.launches.ending = True
        if "tls" in self.__dict__:
            self.tls.close()
        if "desk" in self.__dict__:
            await asyncio.to_thread(self.desk.close)
        if "launches" in self.__dict__:
            await asyncio.to_thread(self.launches.close)

    def tell_entry(self, change: str, entry: str) -> None:
        """Tell the user's other pages what this one did to an entry; called on the event loop."""
        data = {"entry": entry, "change": change}
        self._events.emit(schema_id=events.ENTRY_SCHEMA_ID, data=data)

    def _job_changed(self, job: Job) -> None:
        """Hand a change over from a worker's thread to the event loop, where events are told."""
        self._server.io_loop.add_callback(self._tell, job)

    def launch_changed(self, machine: str, stage: str) -> None:
        """Tell browsers of a machine elsewhere; for handlers, which run in the event loop."""
        self._events.emit(schema_id=events.LAUNCH_SCHEMA_ID, data={"id": machine, "state": stage})

    def _tell(self, job: Job) -> None:
        self._events.emit(schema_id=events.SCHEMA_ID, data=events.told(job))

    def _prepare_config(self) -> None:
        """Give the tornado settings the configurable traits only: the default of ``flows`` must stay lazy."""
        traits: dict[str, Any] = {name: getattr(self, name) for name in self.class_own_traits(config=True)}
        self.settings[f"{self.name}_config"] = traits
