"""The VML VM: a disk image with Debian, JupyterLab and this very VML, for users who install nothing of it.

    <data>/appliance/<digest>/vml-vm.qcow2     MBR: FAT with syslinux and the kernel, ext4 "vml-system"; compressed
    <data>/appliance/base-<digest>.tar.zst     Debian and the Python packages, from which the next one is made quickly
    <data>/appliance/.lock .building-*         one build at a time; what a killed one left

The second disk of such a machine, "vml-data", has what users make, and is no part of the image; see image/.
"""

from vml_jupyter.appliance.builder import build
from vml_jupyter.appliance.ova import write_ova

__all__ = ["build", "write_ova"]
