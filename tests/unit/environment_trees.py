"""Root file systems as each kind of computer leaves them: files, extended attributes, variables, and a kernel.

    write(kind, root)  ->  root/etc, root/proc, root/mnt, root/cvmfs, ...    what the system keeps
                           root/jupyter/kernels/NAME/kernel.json             the notebook's kernel
                           root/area/analysis.ipynb, .git                    the working area

What CernVM keeps is written down in cernvm-micro, cernvm-rpm, cernvm-config and cernvm-five; the variables are those
that LCG views, SWAN and the experiments set. The kernel's Python is a script that answers as one would.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT_HASH = "0123456789abcdef0123456789abcdef01234567"
SFT_HASH = "fedcba9876543210fedcba9876543210fedcba98"
CPU = (
    "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) CPU E5-2630 v4 @ 2.20GHz\n"
    "flags\t\t: fpu vme sse sse2 ht avx avx2 rdseed\n\nprocessor\t: 1\nmodel name\t: another\nflags\t: none\n"
)
AUTOFS = (
    "/etc/auto.cvmfs /cvmfs autofs rw,relatime,fd=7,pgrp=1,timeout=300,minproto=5,maxproto=5,indirect 0 0\n"
)
REPOSITORY = (
    "cvmfs2 {} fuse ro,nosuid,nodev,relatime,user_id=0,group_id=0,default_permissions,allow_other 0 0\n"
)
# A read-only overlay of the image's own folder, which passes on the attributes of that; see mini's boot script.
MINI_REPOSITORY = (
    "cvmfs2 {} overlay ro,nosuid,nodev,relatime,lowerdir=/run/mini/ro/of-it:/run/mini/ro/empty 0 0\n"
)
SFT = {"fqrn": "sft.cern.ch", "revision": "28117", "root_hash": SFT_HASH, "tag": ""}
MACHINE = {"HOME": "/home/alice", "USER": "alice", "LANG": "en_US.UTF-8", "PATH": "/usr/bin:/bin"}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of computer."""

    files: dict[str, str]
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)
    kernelspec: str = "python3"
    kernel_env: dict[str, str] = field(default_factory=dict)
    python: str = "3.9.12"
    packages: str = "usr/lib/python3/site-packages"
    distributions: tuple[str, ...] = ()


def view(release: str, platform: str) -> str:
    return f"/cvmfs/sft.cern.ch/lcg/views/{release}/{platform}"


VIEW_4 = view("LCG_104", "x86_64-centos7-gcc11-opt")
VIEW_5 = view("LCG_105", "x86_64-el9-gcc13-opt")
SWAN_IMAGE = "gitlab-registry.cern.ch/swan/docker-images/jupyter/swan:v0.0.44"

KINDS = {
    "cernvm-3": Kind(
        files={
            "etc/issue": (
                "Welcome to CERN Virtual Machine, version 3.5.1.4\n"
                "  based on Scientific Linux release 6.6 (Carbon)\n"
                "  Kernel 3.18.20-18.cernvm.x86_64 on an x86_64\n"
            ),
            "etc/redhat-release": "Scientific Linux release 6.6 (Carbon)\n",
            ".installed_cernvm-system-3.5.1.4": "CERN Virtual Machine 3.5.1.4\n",
            "mnt/.rw/aux/ucernvm-version": "2.2-0.cernvm.x86_64\n",
            "mnt/.rw/aux/cvmfs_snapshot": f"{ROOT_HASH}\nHEAD\n",
            "proc/mounts": REPOSITORY.format("/mnt/.ro") + AUTOFS + REPOSITORY.format("/cvmfs/alice.cern.ch"),
            "proc/sys/kernel/osrelease": "3.18.20-18.cernvm.x86_64\n",
        },
        attributes={
            # This client is older than the attribute "tag".
            "mnt/.ro": {"fqrn": "cernvm-prod.cern.ch", "revision": "351", "root_hash": ROOT_HASH},
            "cvmfs/alice.cern.ch": {"fqrn": "alice.cern.ch", "revision": "9021", "root_hash": SFT_HASH},
        },
        environ={
            **MACHINE,
            "LOADEDMODULES": "BASE/1.0:AliEn-Runtime/v2-19-le-9:AliPhysics/vAN-20160101-1",
        },
        python="2.7.11",
        packages="usr/lib/python2.7/site-packages",
        distributions=("ipykernel-4.3.1-py2.7.egg-info", "numpy-1.10.4.egg-info"),
    ),
    "cernvm-4": Kind(
        files={
            "etc/cernvm-release": "CERN Virtual Machine, version 4.5.0.1\n",
            ".installed_cernvm-system-4.5.0.1": "CERN Virtual Machine 4.5.0.1\n",
            "etc/os-release": 'NAME="Scientific Linux"\nPRETTY_NAME="Scientific Linux 7.9 (Nitrogen)"\nID="rhel"\n',
            "mnt/.rw/aux/ucernvm-version": "2021.05-1.cernvm.x86_64\n",
            "mnt/.rw/aux/cvmfs_snapshot": f"{ROOT_HASH}\ncernvm-system-4.5.0.1\n",
            "mnt/.rw/context/ucontext": (
                "_UCONTEXT_CVMFS_TAG=cernvm-system-4.5.0.1\n_UCONTEXT_CERNVM_PATH=cvm4\n"
                '_UCONTEXT_CVMFS_HTTP_PROXY="http://squid:3128;DIRECT"\n'
            ),
            "proc/mounts": REPOSITORY.format("/mnt/.ro") + AUTOFS + REPOSITORY.format("/cvmfs/sft.cern.ch"),
            "proc/sys/kernel/osrelease": "4.14.232-19.cernvm.x86_64\n",
        },
        attributes={
            "mnt/.ro": {
                "fqrn": "cernvm-prod.cern.ch",
                "revision": "1202",
                "root_hash": ROOT_HASH,
                "tag": "cernvm-system-4.5.0.1",
            },
            "cvmfs/sft.cern.ch": SFT,
        },
        environ={
            **MACHINE,
            "PATH": f"{VIEW_4}/bin:/usr/bin:/bin",
            "ROOTSYS": VIEW_4,
            "PYTHONHOME": f"{VIEW_4}",
            "http_proxy": "http://alice:hunter2@proxy.example.org:3128",
        },
        packages=f"{VIEW_4[1:]}/lib/python3.9/site-packages",
        distributions=("uproot-4.3.7.dist-info", "numpy-1.23.5.dist-info", "PyYAML-5.4.1-py3.9.egg-info"),
    ),
    "cernvm-5": Kind(
        files={
            "etc/cernvm/cernvm_config": "function cernvm_config() { :; }\n",
            "etc/os-release": 'NAME="CentOS Stream"\nVERSION="9"\nPRETTY_NAME="CentOS Stream 9"\n',
            "bin/rpm": '#!/bin/sh\ncase "$*" in *"-q --qf %{VERSION} cernvm-system-default") printf 1.0.1;; esac\n',
            ".dockerenv": "",
            "proc/mounts": "overlay / overlay rw 0 0\n" + REPOSITORY.format("/cvmfs/sft.cern.ch"),
            "proc/sys/kernel/osrelease": "5.14.0-427.el9.x86_64\n",
        },
        attributes={"cvmfs/sft.cern.ch": SFT},
        environ={**MACHINE, "PATH": "$ROOT/bin:/usr/bin:/bin", "LCG_VERSION": "LCG_105", "ROOTSYS": VIEW_5},
        packages=f"{VIEW_5[1:]}/lib/python3.9/site-packages",
        distributions=("uproot-5.1.2.dist-info", "ruamel.yaml-0.17.21.dist-info"),
    ),
    "mini": Kind(
        files={
            "etc/cernvm-release": "CERN Virtual Machine, version 4.5.1.0\n",
            ".installed_cernvm-system-4.5.1.0": "CERN Virtual Machine 4.5.1.0\n",
            "etc/issue": "Welcome to CERN Virtual Machine, version 4.5.1.0\n  based on Debian 12\n",
            "usr/lib/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVARIANT="CernVM 4.5.1.0"\n',
            "mnt/.rw/aux/ucernvm-version": "2021.05-1.cernvm.x86_64\n",
            "mnt/.rw/aux/cvmfs_snapshot": f"{ROOT_HASH}\ncernvm-system-4.5.1.0\n",
            "mnt/.rw/context/ucontext": "_UCONTEXT_CVMFS_TAG=cernvm-system-4.5.1.0\n_UCONTEXT_CERNVM_PATH=cvm4\n",
            "proc/mounts": "overlay / overlay rw 0 0\n"
            + MINI_REPOSITORY.format("/cvmfs/sft.cern.ch")
            + MINI_REPOSITORY.format("/mnt/.ro"),
            "proc/sys/kernel/osrelease": "6.1.0-40-amd64\n",
        },
        attributes={
            "mnt/.ro": {
                "fqrn": "cernvm-prod.cern.ch",
                "revision": "451",
                "root_hash": ROOT_HASH,
                "tag": "cernvm-system-4.5.1.0",
            },
            "cvmfs/sft.cern.ch": {
                "fqrn": "sft.cern.ch",
                "revision": "1060",
                "root_hash": SFT_HASH,
                "tag": "LCG_106",
            },
        },
        environ=MACHINE,
        python="3.11.2",
        distributions=("ipykernel-6.29.5.dist-info", "numpy-1.26.4.dist-info"),
    ),
    "swan": Kind(
        files={
            "etc/os-release": 'NAME="AlmaLinux"\nPRETTY_NAME="AlmaLinux 9.4 (Seafoam Ocelot)"\nID="almalinux"\n',
            "proc/mounts": (
                "overlay / overlay rw 0 0\n"
                + AUTOFS
                + REPOSITORY.format("/cvmfs/sft.cern.ch")
                + REPOSITORY.format("/cvmfs/cvmfs-config.cern.ch")
                + "eos /eos/user/a fuse rw 0 0\n"
            ),
            "proc/sys/kernel/osrelease": "6.1.90-1.el9.x86_64\n",
        },
        attributes={"cvmfs/sft.cern.ch": SFT},  # the other one does not answer
        environ={
            **MACHINE,
            "JUPYTERHUB_API_TOKEN": "0123456789",
            "JUPYTER_IMAGE_SPEC": SWAN_IMAGE,
            "KRB5CCNAME": "/tmp/krb5cc_1000",
            "KUBERNETES_SERVICE_HOST": "10.254.0.1",
            "OAUTH2_TOKEN": "secret",
            "ROOT_LCG_VIEW_NAME": "LCG_105",
            "ROOT_LCG_VIEW_PATH": "/cvmfs/sft.cern.ch/lcg/views",
            "ROOT_LCG_VIEW_PLATFORM": "x86_64-el9-gcc13-opt",
            "SOFTWARE_SOURCE": "lcg",
        },
        kernel_env={"PYTHONPATH": f"{VIEW_5}/lib/python3.9/site-packages:${{PYTHONPATH}}"},
        packages=f"{VIEW_5[1:]}/lib/python3.9/site-packages",
        distributions=("uproot-5.1.2.dist-info", "coffea-0.7.22.dist-info", "jupyter_client-8.6.0.dist-info"),
    ),
    "bare": Kind(
        files={
            "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n',
            "etc/issue": "Debian GNU/Linux 12 \\n \\l\n",
            "proc/mounts": "/dev/vda1 / ext4 rw,relatime 0 0\n",
            "proc/sys/kernel/osrelease": "6.1.0-28-amd64\n",
        },
        environ={**MACHINE, "VIRTUAL_ENV": "/home/alice/venv", "AWS_SECRET_ACCESS_KEY": "secret"},
        kernelspec="analysis",
        python="3.12.3",
        distributions=("numpy-2.1.0.dist-info", "Uproot_4-4.3.7.dist-info", "~umpy-2.0.0.dist-info"),
    ),
}


def tree(root: Path, files: dict[str, str]) -> Path:
    """Write files below a folder and return the folder."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def attributes(folder: Path, values: dict[str, str]) -> None:
    """Have a folder answer as the mount point of a CernVM-FS repository does."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in values.items():
        try:
            os.setxattr(folder, f"user.{name}", value.encode())
        except OSError:
            pytest.skip("this file system keeps no extended attributes")


def program(file: Path, script: str) -> Path:
    """Write a shell script that can be started."""
    tree(file.parent, {file.name: f"#!/bin/sh\n{script}\n"})
    file.chmod(0o755)
    return file


def write(kind: Kind, root: Path) -> dict[str, str]:
    """Write a computer below ``root`` and return its environment variables."""
    tree(root, {"proc/cpuinfo": CPU, "proc/sys/kernel/arch": "x86_64\n", **kind.files})
    if (root / "bin/rpm").exists():
        (root / "bin/rpm").chmod(0o755)
    for path, values in kind.attributes.items():
        attributes(root / path, values)
    packages = root / kind.packages
    for name in kind.distributions:
        (packages / name).mkdir(parents=True)
    answer = json.dumps([kind.python, [str(packages)]])
    python = program(root / "usr/bin/python3", f"echo '{answer}'")
    argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3", "language": "python", "env": kind.kernel_env}
    notebook = {"metadata": {"kernelspec": {"name": kind.kernelspec}}, "cells": [], "nbformat": 4}
    tree(
        root,
        {
            f"jupyter/kernels/{kind.kernelspec}/kernel.json": json.dumps(spec),
            "area/analysis.ipynb": json.dumps(notebook),
        },
    )
    return {name: value.replace("$ROOT", str(root)) for name, value in kind.environ.items()}


def commit(area: Path) -> None:
    """Make a working area a git checkout whose one commit has the same id wherever and whenever."""
    day = "2026-01-01T00:00:00+0000"
    who = {f"GIT_{role}_{what}": "alice" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    dates = {"GIT_AUTHOR_DATE": day, "GIT_COMMITTER_DATE": day}
    settings = {"HOME": str(area), "GIT_CONFIG_NOSYSTEM": "1"}
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=area, env={**os.environ, **who, **dates, **settings}, check=True)
    (area / "result.txt").touch()
