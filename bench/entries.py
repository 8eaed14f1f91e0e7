"""Fill the logbook of the settings with many entries, fast: ``python -m bench.entries N``.

    N records and root trees -> a few packs, one index -> N snapshots; prints the password file's path

The records and trees are saved first, together, so that they share packs; ``Logbook.add`` then finds them
there and writes only the snapshots. One entry after the other would make a pack and an index for each.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone

from vml_jupyter.environment import describe
from vml_jupyter.flows.entries import opened_or_created
from vml_jupyter.flows.settings import load
from vml_jupyter.logbook.document import save_root
from vml_jupyter.model import Entry, new_entry_id

_BEGIN = datetime(2008, 1, 1, tzinfo=timezone.utc)
_APART = timedelta(minutes=37)


def fill(count: int) -> str:
    """Add ``count`` entries of an empty area and return the path of the logbook's password file."""
    settings = load()
    environment = describe(notebook=None, chosen=None)
    entries = [
        Entry(
            id=new_entry_id(),
            time=(_BEGIN + number * _APART).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            title=f"Dimuon spectrum, calibration {number}",
            note="Cut on the transverse momentum moved." if number % 3 else "",
            notebook="dimuon.ipynb",
            area=f"/home/physicist/analysis-{number % 20}",
            environment=environment,
            files=1200,
            bytes=34_000_000,
            new_bytes=120_000,
        )
        for number in range(count)
    ]
    with opened_or_created(settings) as logbook, logbook.repository.lock():
        tree = logbook.repository.save_tree([])
        for entry in entries:
            save_root(logbook.repository, entry, tree)
        logbook.repository.flush()
        for entry in entries:
            logbook.add(entry, tree)
    return str(settings.password_file())


if __name__ == "__main__":
    print(fill(int(sys.argv[1])))
