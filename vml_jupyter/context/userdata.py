"""Write the user-data of a machine: which CernVM it shall boot, and what cloud-init shall do in it.

    [ucernvm-begin]
    cvmfs_tag=cernvm-system-4.5.0.1
    cernvm_path=cvm4
    cvmfs_http_proxy="http://proxy:3128;DIRECT"
    [ucernvm-end]

Micro-CernVM compares the two bracket lines byte by byte and drops a last line without its line feed; what is
between them it writes, as it stands, into a file that a shell then reads. So nothing gets in here that is not
quoted for that shell. Where cloud-init is to read something too, both become parts of one MIME document whose
parts are 7-bit text, because micro-CernVM and amiconfig look through the raw bytes.

Source of the grammar: cernvm-micro's ``parse_user_data.cc`` and README, doc-cernvm's ``cpt-context.rst``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

from vml_jupyter.context.client import mounting, write_files
from vml_jupyter.errors import ReleaseUnknown, Usage
from vml_jupyter.model import PRODUCTION, Pin, Release

USER_DATA_LIMIT = 16 * 1024

_EMPTY = "{}\n"
_KEY = re.compile(r"[a-z][a-z0-9_]{0,60}")
_PLAIN = re.compile(r"[A-Za-z0-9_.,:/@%+=-]*")
_PATHS = {"3": "cvm3", "4": "cvm4"}


def user_data(
    release: Release,
    extra: Mapping[str, str] | None = None,
    *,
    pins: Sequence[Pin] = (),
    cloud_config: str = "",
) -> bytes:
    """Return the user-data that makes a machine boot exactly this release.

    CernVM 3 and 4 get micro-CernVM's block. CernVM 5 and other cloud images have no block, only cloud-init.

    Args:
        release: Its system becomes ``cvmfs_tag``, its path (by default the one of its major version)
            ``cernvm_path``, a repository that is not the production one ``cvmfs_branch``.
        extra: Further keys of micro-CernVM, ``cvmfs_http_proxy`` for example.
        pins: The other repositories that are to be as they were; see ``client``.
        cloud_config: A YAML document for cloud-init, without its first line.

    Raises:
        ReleaseUnknown: The release names no system.
        Usage: A key or value cannot be written or contradicts the release, or the whole is larger than a machine may
            be told.
    """
    if not release.system:
        raise ReleaseUnknown("the release names no CernVM system", "Choose one with --release.")
    parts = []
    if release.is_micro:
        parts.append(("text/ucernvm", ucernvm_block(_pins(release, extra or {}))))
    if cloud_config or pins or not parts:
        config = write_files(pins) + (_text(cloud_config) if cloud_config else "")
        parts.append(("text/cloud-config", f"#cloud-config\n{config or _EMPTY}"))
    if release.is_micro and pins:
        # The last part, as amiconfig takes every line below its section that looks like an option for one.
        parts.append(("text/amiconfig-user-data", mounting(pins)))
    document = parts[0][1] if len(parts) == 1 else _mime(parts)
    return _checked(document)


def ucernvm_block(settings: Mapping[str, str]) -> str:
    """Return micro-CernVM's block of these settings.

    Raises:
        Usage: A key is none that micro-CernVM could have, or a value cannot be quoted.
    """
    lines = ["[ucernvm-begin]"]
    for key, value in settings.items():
        if not _KEY.fullmatch(key):
            raise Usage(f"{key!r} is no key of CernVM's context", "Keys are like cvmfs_http_proxy.")
        lines.append(f"{key}={quoted(value)}")
    lines.append("[ucernvm-end]")
    return "".join(f"{line}\n" for line in lines)


def quoted(value: str) -> str:
    """Return a value as a shell reads it back unchanged; plain words stay as they are.

    Plain words must not be quoted: micro-CernVM itself recognises ``yes`` and ``off``, but not ``"yes"``.

    Raises:
        Usage: It holds a control character or is not ASCII.
    """
    if not value.isascii() or not value.isprintable():
        raise Usage(f"{value!r} cannot be told to CernVM: only printable ASCII can", "Write it in one line.")
    if _PLAIN.fullmatch(value):
        return value
    return '"' + re.sub(r'(["\\$`])', r"\\\1", value) + '"'


def unpack_pickup(unit: str) -> str:
    """Return the cloud-config with which a plain cloud image does what micro-CernVM does by itself.

    Micro-CernVM unpacks ``/cernvm/pickup.tar.gz`` of any disk into ``/`` at its first boot. Here cloud-init
    does, and then starts the unit that came with it.

    Args:
        unit: The systemd unit in the pickup, ``name.service``.

    Raises:
        Usage: That is no name of a unit.
    """
    if not re.fullmatch(r"[A-Za-z0-9_.@-]+\.service", unit):
        raise Usage(f"{unit!r} is no systemd unit")
    return (
        "runcmd:\n"
        "  - mkdir -p /run/vml-context\n"
        "  - mount -o ro -t iso9660 /dev/disk/by-label/config-2 /run/vml-context\n"
        "  - tar -xzf /run/vml-context/cernvm/pickup.tar.gz -C / --no-same-owner\n"
        "  - umount /run/vml-context\n"
        "  - systemctl daemon-reload\n"
        f"  - systemctl start --no-block {unit}\n"
    )


def _pins(release: Release, extra: Mapping[str, str]) -> dict[str, str]:
    """Return what pins the system, and ``extra``, which must not say otherwise.

    A tag covers the whole repository, so the path in it belongs to the pin. So does the repository, even where none was
    recorded: the image asks its own, and in another one the tag names another system.
    """
    pins = {
        "cvmfs_tag": release.tag,
        "cernvm_path": release.path or _PATHS[release.system.partition(".")[0]],
        "cvmfs_branch": release.repository,
    }
    for key, value in pins.items():
        if extra.get(key, value) != value:
            raise Usage(
                f"{key}={extra[key]} contradicts {release.label}, whose {key} is {value or 'the default'}",
                "Take it out of --set and of the setting `context`; another system is chosen with --release.",
            )
    if release.repository in ("", PRODUCTION):
        del pins["cvmfs_branch"]
    return {**pins, **extra}


def _mime(parts: list[tuple[str, str]]) -> str:
    """Return one document; the boundary is made from the content, so the same input gives the same bytes.

    It has neither ``=`` nor ``:``, as amiconfig would take its last line for an option.
    """
    boundary = f"vml-{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"
    document = f'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="{boundary}"\n\n'
    for kind, text in parts:
        document += f'--{boundary}\nContent-Type: {kind}; charset="us-ascii"\n'
        document += f"Content-Transfer-Encoding: 7bit\n\n{text}\n"
    return f"{document}--{boundary}--\n"


def _text(text: str) -> str:
    if "\r" in text or "[ucernvm-" in text:
        raise Usage("the cloud-config holds a carriage return or CernVM's own brackets")
    return text if text.endswith("\n") else f"{text}\n"


def _checked(document: str) -> bytes:
    if not document.isascii():
        raise Usage("the user-data must be ASCII", "Write other characters as YAML escapes (\\u00e9).")
    raw = document.encode("ascii")
    if len(raw) > USER_DATA_LIMIT:
        raise Usage(
            f"the user-data has {len(raw)} bytes, and a machine can be told {USER_DATA_LIMIT}",
            "Pin fewer repositories (--without-pin), and put large things into the working area instead.",
        )
    return raw
