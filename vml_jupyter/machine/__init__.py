"""Machines: libvirt domains with a network, disks, a console and processes beside them.

Host.connect(uri) -> new_folder -> define_and_start(MachineSpec) -> mark_ready -> stop | start | delete
"""

from vml_jupyter.machine.accelerator import Accelerator, probe_accelerator
from vml_jupyter.machine.disks import can_read_http
from vml_jupyter.machine.machines import Host
from vml_jupyter.machine.pools import PoolFiles, pool_files
from vml_jupyter.machine.records import processor_seconds, recorded_machines, taken_memory
from vml_jupyter.machine.spec import MachineSpec
from vml_jupyter.machine.warm import Frozen, awaken, freeze, write_place
from vml_jupyter.machine.warm_store import Kept, WarmState, WarmStore

__all__ = [
    "Accelerator",
    "Frozen",
    "Host",
    "Kept",
    "MachineSpec",
    "PoolFiles",
    "WarmState",
    "WarmStore",
    "awaken",
    "can_read_http",
    "freeze",
    "pool_files",
    "probe_accelerator",
    "processor_seconds",
    "recorded_machines",
    "taken_memory",
    "write_place",
]
