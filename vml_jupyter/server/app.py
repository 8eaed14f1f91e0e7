"""The extension application: its traits are the whole configuration.

    c.VmlExtension.logbook = "s3://group-bucket/logbook"
    c.VmlExtension.machine_access = "proxy"

What is not set here comes from the user's own settings (environment and configuration file).
"""

from __future__ import annotations

import asyncio
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.utils import url_path_join
from traitlets import Any as AnyTrait
from traitlets import Enum, Integer, List, Unicode, default

from vml_jupyter.jobs import Estimates, Job, JobDesk, Journal
from vml_jupyter.server import events
from vml_jupyter.server.doors import Doors
from vml_jupyter.server.flows import Flows
from vml_jupyter.server.routes import routes
from vml_jupyter.server.shelf import Shelf
from vml_jupyter.server.trust import TrustedEntries
from vml_jupyter.server.watch import watch

if TYPE_CHECKING:
    from jupyter_events import EventLogger
    from jupyter_server.serverapp import ServerApp

    from vml_jupyter.flows.settings import Settings


class VmlExtension(ExtensionApp):
    """The Virtual Machine Logbook on a Jupyter server."""

    name = "vml_jupyter"
    load_other_extensions = True

    logbook = Unicode(help="Where the logbook lies: a folder or an s3:// address.").tag(config=True)
    data_folder = Unicode(help="Where machines, releases and the journal of jobs are kept.").tag(config=True)
    libvirt_uri = Unicode(help="The hypervisor, e.g. qemu:///session or qemu+ssh://host/session.").tag(
        config=True
    )
    release_urls = List(Unicode(), help="Repositories from which CernVM releases are downloaded.").tag(
        config=True
    )
    release_folders = List(Unicode(), help="More folders in which images already lie.").tag(config=True)
    release_ca = Unicode(help="CA certificates (PEM file or folder) for signatures of images.").tag(
        config=True
    )
    default_release = Unicode(help="The CernVM version to record where none is detected.").tag(config=True)
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
    idle_minutes = Integer(
        None,
        allow_none=True,
        min=0,
        help="After how many minutes without use a machine is suspended; 0 is never.",
    ).tag(config=True)
    machines_max = Integer(
        None, allow_none=True, min=0, help="How many machines may run at once; 0 is any number."
    ).tag(config=True)
    machines_memory_mib = Integer(
        None, allow_none=True, min=0, help="How much memory they may have together; 0 is any."
    ).tag(config=True)
    workers = Integer(3, min=1, help="How many jobs run at the same time.").tag(config=True)

    _watching: asyncio.Task[None] | None = None

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

        return settings.load().using(
            data=Path(self.data_folder).expanduser().absolute() if self.data_folder else None,
            logbook=self.logbook or None,
            libvirt_uri=self.libvirt_uri or None,
            release_urls=tuple(self.release_urls) or None,
            release_folders=tuple(Path(name).expanduser() for name in self.release_folders) or None,
            release_ca=Path(self.release_ca).expanduser() if self.release_ca else None,
            default_release=self.default_release or None,
            idle_minutes=self.idle_minutes,
            machines_max=self.machines_max,
            machines_memory_mib=self.machines_memory_mib,
        )

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

    def initialize_handlers(self) -> None:
        self.handlers.extend(routes(self))

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        """Begin to watch for machines that nobody uses; called by Jupyter Server once its loop runs."""
        self._watching = asyncio.create_task(watch(self, self.log))

    async def stop_extension(self) -> None:
        """End the watch and the jobs when the server stops; called by Jupyter Server."""
        if self._watching is not None:
            self._watching.cancel()
        if "desk" in self.__dict__:
            await asyncio.to_thread(self.desk.close)

    def _job_changed(self, job: Job) -> None:
        """Hand a change over from a worker's thread to the event loop, where events are told."""
        self._server.io_loop.add_callback(self._tell, job)

    def _tell(self, job: Job) -> None:
        self._events.emit(schema_id=events.SCHEMA_ID, data=events.told(job))

    def _prepare_config(self) -> None:
        """Give the tornado settings the configurable traits only: the default of ``flows`` must stay lazy."""
        traits: dict[str, Any] = {name: getattr(self, name) for name in self.class_own_traits(config=True)}
        self.settings[f"{self.name}_config"] = traits
