"""Find the Debian mirror that this machine is configured to use, so that none is written down here.

Both of apt's formats are read: ``deb [options] URI suite component...`` and deb822 paragraphs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

APT = Path("/etc/apt")
ARCHIVE_KEYRING = "debian-archive"


def debian_sources(suite: str, apt: Path = APT) -> list[str]:
    """Return one-line apt sources for ``suite``, its updates and its security fixes, as configured here.

    The list is empty where this machine has no such source; mmdebstrap then uses its own default.
    Sources that another key than Debian's signs are not Debian and are left out.
    """
    wanted = {suite, f"{suite}-updates", f"{suite}-security"}
    lines = {
        f"deb {uri} {name} main"
        for uri, name, components, signed_by in _sources(apt)
        if name in wanted and "main" in components and ARCHIVE_KEYRING in (signed_by or ARCHIVE_KEYRING)
    }
    return sorted(lines) if any(f" {suite} " in line for line in lines) else []


def _sources(apt: Path) -> Iterator[tuple[str, str, list[str], str]]:
    folder = apt / "sources.list.d"
    for file in [apt / "sources.list", *sorted(folder.glob("*.list"))]:
        if file.is_file():
            yield from _one_line_sources(file.read_text())
    for file in sorted(folder.glob("*.sources")):
        yield from _paragraph_sources(file.read_text())


def _one_line_sources(text: str) -> Iterator[tuple[str, str, list[str], str]]:
    pattern = re.compile(
        r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s+(?P<rest>[^#]+)"
    )
    for match in filter(None, map(pattern.match, text.splitlines())):
        signed_by = re.search(r"signed-by=(\S+)", match["options"] or "", re.IGNORECASE)
        yield match["uri"], match["suite"], match["rest"].split(), signed_by[1] if signed_by else ""


def _paragraph_sources(text: str) -> Iterator[tuple[str, str, list[str], str]]:
    uncommented = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    for paragraph in re.split(r"\n\s*\n", uncommented):
        fields = {
            key.lower(): " ".join(value.split())
            for key, value in re.findall(r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", paragraph, re.MULTILINE)
        }
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes") == "no":
            continue
        for uri in fields.get("uris", "").split():
            for name in fields.get("suites", "").split():
                yield uri, name, fields.get("components", "").split(), fields.get("signed-by", "")
