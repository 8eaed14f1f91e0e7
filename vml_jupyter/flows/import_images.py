"""Take a CernVM image out of an export, judged as one that was downloaded would be."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

from vml_jupyter.errors import Foreign, of_system
from vml_jupyter.flows.manifest import ExportedRelease
from vml_jupyter.flows.settings import Settings
from vml_jupyter.progress import Progress
from vml_jupyter.release import identify, judge
from vml_jupyter.repository.archive import Archive

_ODD = "Get the file again, from somebody you know."


def take_image(settings: Settings, archive: Archive, offered: ExportedRelease, progress: Progress) -> Path:
    """Put an image among those that were downloaded, after it was judged like one.

    Raises:
        Foreign: It is not what the manifest says, or nothing that boots, or its signature does not hold.
    """
    name = offered.file.removeprefix("release/")
    offset, length = archive.members.get(offered.file, (0, -1))
    if not offered.file.startswith("release/") or length < 0:
        raise Foreign(f"{archive.label} lacks the image {offered.file!a}", _ODD)
    progress.stage("release", f"Taking {name}")
    settings.releases.mkdir(parents=True, exist_ok=True)
    draft = settings.releases / f".{secrets.token_hex(6)}.part"
    digest = hashlib.sha256()
    try:
        with draft.open("xb") as file:
            for at in range(0, length, 4 << 20):
                piece = archive.pread(offset + at, min(4 << 20, length - at))
                digest.update(piece)
                file.write(piece)
                progress.advance(at + len(piece), length, "bytes")
        if digest.hexdigest() != offered.sha256:
            raise Foreign(f"the image {name} is not the one that the manifest names", _ODD)
        image = identify(draft)
        if image is None or image.damage:
            raise Foreign(f"the image {name} is no whole CernVM image", _ODD)
        judged = judge(image, settings.trust(), name=name)
        if judged.status == "bad":
            raise Foreign(f"the signature of the image {name} does not hold: {judged.reason}", _ODD)
        final = settings.releases / offered.sha256 / name
        final.parent.mkdir(exist_ok=True)
        draft.replace(final)
    except OSError as error:
        raise of_system(error) from error
    finally:
        draft.unlink(missing_ok=True)
    return final
