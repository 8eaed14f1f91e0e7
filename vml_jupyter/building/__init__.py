"""How disks with a Debian of our own on them are made: the mini release's, and the VML VM's.

    stage -> debian.bootstrap -> tar -> (mke2fs) -> partitions.assemble -> raw disk        nothing is mounted
    requirements -> wheels.download -> wheels.install -> /usr/local of a root              nothing of a guest runs
    alone.workshop -> a scratch folder that one builder has at a time

Mirrors are those that this computer's apt is configured to use, packages of Python come by its pip.
"""
