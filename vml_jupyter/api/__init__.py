"""What a program can ask for: the verbs of the command line as functions, with records as results.

    import vml_jupyter as vml

    entry = vml.snapshot(".", title="Z mass, first fit")
    vml.edit(entry.id, add_tags=["talk"])
    restored = vml.restore(entry.id, release="4.5.1.0")

A verb of two words is joined (``vml standard take`` is ``standard_take``). An entry or a machine is named by its id or
the beginning of it. Every function takes ``settings``, the user's own by default;
``vml.settings(logbook="s3://group/logbook")`` gives others. What takes long takes ``progress``, is interrupted like any
Python, and then leaves nothing half-made. Errors are those of ``vml_jupyter.errors``.

Nothing is imported before it is called, and nothing here prints.
"""

from vml_jupyter.api.appliance import appliance_build
from vml_jupyter.api.bound import settings
from vml_jupyter.api.config import config_get, config_list, config_set, config_unset
from vml_jupyter.api.entry_verbs import (
    bin_empty,
    bin_list,
    diff,
    durability,
    edit,
    entries,
    forget,
    list,
    show,
    unforget,
)
from vml_jupyter.api.launching import launcher, launches
from vml_jupyter.api.machine_verbs import (
    capture,
    delete,
    execute,
    find_machine,
    machines,
    open,
    resume,
    run,
    start,
    stop,
    suspend,
)
from vml_jupyter.api.release_verbs import doctor, fetch, images, releases, releases_add, releases_remove
from vml_jupyter.api.sharing import export, import_, trust
from vml_jupyter.api.standard import standard_delete, standard_list, standard_revert, standard_take
from vml_jupyter.api.upkeep import check, key_add, key_list, key_remove, prune, unlock
from vml_jupyter.api.warm_states import warm, warm_list, warm_remove
from vml_jupyter.api.work import context, environment, image, preview, restore, restore_files, snapshot

__all__ = [
    "appliance_build",
    "bin_empty",
    "bin_list",
    "capture",
    "check",
    "config_get",
    "config_list",
    "config_set",
    "config_unset",
    "context",
    "delete",
    "diff",
    "doctor",
    "durability",
    "edit",
    "entries",
    "environment",
    "execute",
    "export",
    "fetch",
    "find_machine",
    "forget",
    "image",
    "images",
    "import_",
    "key_add",
    "key_list",
    "key_remove",
    "launcher",
    "launches",
    "list",
    "machines",
    "open",
    "preview",
    "prune",
    "releases",
    "releases_add",
    "releases_remove",
    "restore",
    "restore_files",
    "resume",
    "run",
    "settings",
    "show",
    "snapshot",
    "standard_delete",
    "standard_list",
    "standard_revert",
    "standard_take",
    "start",
    "stop",
    "suspend",
    "trust",
    "unforget",
    "unlock",
    "warm",
    "warm_list",
    "warm_remove",
]
