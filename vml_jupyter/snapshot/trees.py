"""Finish folders from the bottom up: a folder with all its nodes becomes a tree, and a node in the one above.

    Growing --encode, unless it is the tree it was--> blob --node--> Growing above ... --> Top

What is the same as in the parent snapshot is taken over from there, and only looked up in it where it must be.
"""

from __future__ import annotations

import os

import msgspec

from vml_jupyter.errors import LogbookDamaged
from vml_jupyter.repository import Node, Repository
from vml_jupyter.repository.gonames import quote_name
from vml_jupyter.repository.node import decode_tree, encode_node, join_tree
from vml_jupyter.snapshot.describe import attributes_of_folder, describe, is_unchanged, to_look_at_again
from vml_jupyter.snapshot.findings import Findings, Item
from vml_jupyter.snapshot.growing import Growing
from vml_jupyter.snapshot.states import FolderState, States
from vml_jupyter.snapshot.walk import Folder


class Trees:
    """The trees of one snapshot.

    Args:
        repository: Where they go.
        states: Where is remembered what was met in the folders.
        findings: Where is noted what could not be read.

    Attributes:
        top: The node of the area itself, once it is finished.
        new_bytes: What the trees have added to the store so far.
    """

    def __init__(self, repository: Repository, states: States, findings: Findings) -> None:
        self.top: Node | None = None
        self.new_bytes = 0
        self._repository = repository
        self._states = states
        self._findings = findings

    def begin(self, folder: Folder, above: Growing | None, parent_tree: str | None) -> Growing:
        """Return a folder that is to grow; ``parent_tree`` is what the parent snapshot has of the area."""
        known = folder.unchanged
        if known is not None:
            return Growing(folder, above, known.tree, len(folder.subfolders))
        node = self._previous(above).get(quoted(folder.name)) if above else None
        tree = node.subtree if node else None if above else parent_tree
        return Growing(folder, above, tree, len(folder.subfolders) + len(folder.items), node)

    def unchanged(self, grown: Growing, item: Item) -> Node | None:
        """Return the earlier node of something that did not change; None where it has to be looked at."""
        node = self._previous(grown).get(quoted(item.name))
        if node is None or not is_unchanged(node, item.status):
            return None
        return node if all(map(self._repository.has_blob, node.content or ())) else None

    def finish(self, grown: Growing) -> Growing | None:
        """Save a folder's tree, put the folder into the one above, and return that."""
        tree = self._save(grown)
        self._remember(grown, tree)
        above = grown.above
        if above is None:
            self.top = self._described(grown, tree)
            return None
        if above.folder.unchanged is None or tree != grown.tree:
            node = self._folder_node(grown, above, tree)
            above.nodes.append((node.name_bytes, encode_node(node)))
        above.missing -= 1
        return above

    def _previous(self, grown: Growing) -> dict[str, Node]:
        """Return the nodes of a folder's earlier tree by name."""
        if grown.previous is None:
            grown.previous = self._nodes_of(grown.tree)
        return grown.previous

    def _nodes_of(self, tree: str | None) -> dict[str, Node]:
        """Return the nodes of an earlier tree by name; one that is damaged is as good as none."""
        if tree is None:
            return {}
        try:
            return {node.name: node for node in self._repository.tree(tree)}
        except LogbookDamaged:
            return {}

    def _save(self, grown: Growing) -> str:
        if grown.folder.unchanged is not None:
            if not grown.nodes:
                return grown.folder.unchanged.tree
            grown.nodes = self._renewed(grown)
        encoded = join_tree(grown.nodes)
        if grown.tree and {node.name: node for node in decode_tree(encoded)} == self._previous(grown):
            return grown.tree
        tree, stored = self._repository.save_blob(encoded, "tree")
        self.new_bytes += stored
        return tree

    def _renewed(self, grown: Growing) -> list[tuple[bytes, bytes]]:
        """Return the earlier nodes of a folder with those of the subfolders that changed in their place.

        Raises:
            LogbookDamaged: The earlier tree cannot be read, and what is in the folder was not looked at.
        """
        earlier = self._repository.tree(grown.tree or "")
        nodes = {node.name_bytes: encode_node(node) for node in earlier}
        nodes.update(grown.nodes)
        return list(nodes.items())

    def _remember(self, grown: Growing, tree: str) -> None:
        folder = grown.folder
        if folder.unchanged is not None:
            same = folder.unchanged.tree == tree
            self._states.remember(
                folder.unchanged if same else msgspec.structs.replace(folder.unchanged, tree=tree)
            )
        elif folder.listing is not None and grown.settled:
            entries, places, left_out = folder.listing
            self._states.remember(
                FolderState(folder.relative, tree, grown.files, grown.bytes, places, left_out, entries)
            )

    def _folder_node(self, grown: Growing, above: Growing, tree: str) -> Node:
        folder = grown.folder
        node = grown.node or self._previous(above).get(quoted(folder.name))
        if node is not None and node.subtree == tree and is_unchanged(node, folder.status):
            return node
        return self._described(grown, tree)

    def _described(self, grown: Growing, tree: str) -> Node:
        """Return the node of a folder; where it lacks attributes, the folder above is looked at again next time."""
        folder = grown.folder
        attributes, lacking = attributes_of_folder(folder.descriptor) if folder.descriptor else (None, "")
        node = describe(os.fsencode(folder.name), folder.status, attributes, subtree=tree)
        if not lacking:
            return node
        self._findings.unread(folder.relative, lacking)
        if grown.above:
            grown.above.settled = False
        return to_look_at_again(node)


def quoted(name: str) -> str:
    """Return a name as it stands in a tree."""
    return quote_name(os.fsencode(name))
