"""Make the index anew where it is damaged, from what the packs say of themselves.

    index file damaged            -> removed, after what it named is in a new one
    pack that no index file names -> named in a new index file, by its header
    blob or pack that is lost     -> not named any more, so that the next snapshot of the same content stores it again

Written before anything is removed, and nothing but index files is.
"""

from __future__ import annotations

from vml_jupyter.repository.checking import Checked
from vml_jupyter.repository.contents import BlobKey, Depot
from vml_jupyter.repository.index import IndexPack, encode_index, split
from vml_jupyter.repository.pack import PackedBlob


def mend_index(depot: Depot, checked: Checked) -> int:
    """Write what a check found to be true, and return how many index files were replaced.

    The caller holds the exclusive lock since before the check.

    Raises:
        StoreUnreachable, DiskFull: It could not be finished; the old index is still there.
    """
    contents, hurt = checked.contents, checked.packs.hurt
    stale = {name for name, packs in contents.files.items() if any(pack.id in hurt.places for pack in packs)}
    kept = {pack.id for name, packs in contents.files.items() if name not in stale for pack in packs}
    anew = {pack: blobs for pack, blobs in checked.packs.blobs().items() if pack not in kept}
    whole = ((pack, _whole(blobs, hurt.places.get(pack, set()))) for pack, blobs in anew.items())
    packs = [IndexPack(pack, blobs) for pack, blobs in whole if blobs]
    replaced = [*stale, *contents.damaged]
    if not replaced and not packs:
        return 0
    for group in split(packs):
        depot.documents.save("index", encode_index(group))
    depot.locks.require_held()
    for name in replaced:
        depot.documents.delete("index", name)
    return len(replaced)


def _whole(blobs: list[PackedBlob], hurt: set[BlobKey]) -> list[PackedBlob]:
    return [blob for blob in blobs if (blob.type, blob.id) not in hurt]
