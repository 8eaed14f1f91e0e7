"""Bytes: the restic repository format (version 2) over an object store."""
