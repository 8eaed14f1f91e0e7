"""The Virtual Machine Logbook for Jupyter: capture a notebook's working area and its CernVM, and go back to it."""

from __future__ import annotations

__version__ = "0.1.0"
