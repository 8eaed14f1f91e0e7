"""Which path leads to which handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vml_jupyter.server.compare import ChangesHandler, FileChangeHandler
from vml_jupyter.server.config import SettingHandler, SettingsHandler
from vml_jupyter.server.entries import (
    DurabilityHandler,
    EntriesHandler,
    EntryHandler,
    RestoreHandler,
    SnapshotsHandler,
    UnforgetHandler,
)
from vml_jupyter.server.jobs import JobHandler, JobsHandler
from vml_jupyter.server.launch_captures import CapturesHandler, CaptureTalkHandler
from vml_jupyter.server.launches import (
    LauncherFileHandler,
    LauncherHandler,
    LaunchesHandler,
    LaunchHandler,
    PairHandler,
    PartHandler,
    StatusHandler,
)
from vml_jupyter.server.laying import EmptyBinHandler, RestoreFilesHandler
from vml_jupyter.server.machines import (
    CaptureHandler,
    ConsoleHandler,
    DoctorHandler,
    MachineHandler,
    MachinesHandler,
    OpenHandler,
    PowerHandler,
    RevertHandler,
    StandardHandler,
    StandardSnapshotHandler,
)
from vml_jupyter.server.pages import EntriesPage, EntryPage, MadeLauncherHandler
from vml_jupyter.server.proxy import MachineProxyHandler
from vml_jupyter.server.reading import (
    DetailsHandler,
    FileHandler,
    FolderHandler,
    PreviewHandler,
    SecretsHandler,
    ThumbnailHandler,
)
from vml_jupyter.server.releases import EnvironmentHandler, ReleasesHandler, ShapeHandler
from vml_jupyter.server.sharing import EntrySecretsHandler, ExampleHandler, ExportHandler

if TYPE_CHECKING:
    from vml_jupyter.server.app import VmlExtension

_ID = r"([0-9A-Za-z-]+)"
_NAME = r"([0-9A-Za-z._-]+)"


def routes(vml: VmlExtension) -> list[tuple[Any, ...]]:
    """Return the routes of the extension ``vml``, relative to the server's base URL."""
    return [
        (r"/vml", EntriesPage),
        (r"/vml/", EntriesPage),
        (rf"/vml/entries/{_ID}", EntryPage),
        (r"/vml/api/entries", EntriesHandler),
        (rf"/vml/api/entries/{_ID}", EntryHandler),
        (rf"/vml/api/entries/{_ID}/restore", RestoreHandler),
        (rf"/vml/api/entries/{_ID}/unforget", UnforgetHandler),
        (r"/vml/api/durability", DurabilityHandler),
        (rf"/vml/api/entries/{_ID}/details", DetailsHandler),
        (rf"/vml/api/entries/{_ID}/folder", FolderHandler),
        (rf"/vml/api/entries/{_ID}/file", FileHandler),
        (rf"/vml/api/entries/{_ID}/changes", ChangesHandler),
        (rf"/vml/api/entries/{_ID}/file-change", FileChangeHandler),
        (rf"/vml/api/entries/{_ID}/restore-files", RestoreFilesHandler),
        (rf"/vml/api/entries/{_ID}/secrets", EntrySecretsHandler),
        (rf"/vml/api/entries/{_ID}/export", ExportHandler),
        (r"/vml/api/example", ExampleHandler),
        (rf"/vml/api/entries/{_ID}/launcher", LauncherHandler),
        (rf"/vml/entries/{_ID}/launcher", LauncherFileHandler),
        (rf"/vml/entries/{_ID}/launcher/{_ID}", MadeLauncherHandler),
        (r"/vml/api/launches", LaunchesHandler),
        (rf"/vml/api/launches/{_ID}", LaunchHandler),
        (r"/vml/launches", PairHandler),
        (rf"/vml/launches/{_ID}/status", StatusHandler),
        (rf"/vml/launches/{_ID}/captures", CapturesHandler),
        (rf"/vml/launches/{_ID}/captures/{_ID}", CaptureTalkHandler),
        (rf"/vml/launches/{_ID}/(context\.iso|area\.iso|image)", PartHandler),
        (r"/vml/api/bin/empty", EmptyBinHandler),
        (rf"/vml/api/entries/{_ID}/thumbnail", ThumbnailHandler),
        (r"/vml/api/preview", PreviewHandler),
        (r"/vml/api/secrets", SecretsHandler),
        (r"/vml/api/snapshots", SnapshotsHandler),
        (r"/vml/api/jobs", JobsHandler),
        (rf"/vml/api/jobs/{_ID}", JobHandler),
        (r"/vml/api/machines", MachinesHandler),
        (rf"/vml/api/machines/{_ID}", MachineHandler),
        (rf"/vml/api/machines/{_ID}/open", OpenHandler),
        (rf"/vml/api/machines/{_ID}/console", ConsoleHandler),
        (rf"/vml/api/machines/{_ID}/capture", CaptureHandler),
        (rf"/vml/api/machines/{_ID}/(start|stop|suspend|resume)", PowerHandler),
        (rf"/vml/api/machines/{_ID}/standard", StandardHandler),
        (rf"/vml/api/machines/{_ID}/standard/{_NAME}", StandardSnapshotHandler),
        (rf"/vml/api/machines/{_ID}/standard/{_NAME}/revert", RevertHandler),
        (r"/vml/api/doctor", DoctorHandler),
        (r"/vml/api/releases", ReleasesHandler),
        (r"/vml/api/shape", ShapeHandler),
        (r"/vml/api/settings", SettingsHandler),
        (rf"/vml/api/settings/{_NAME}", SettingHandler),
        (r"/vml/api/environment", EnvironmentHandler),
        (rf"/vml/machines/{_ID}(?:/.*)?", MachineProxyHandler, {"vml": vml}),
    ]
