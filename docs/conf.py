"""How Sphinx builds the documentation: `make docs`, without any network."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import reference_pages  # noqa: E402  # it is in this folder

from vml_jupyter import __version__  # noqa: E402

project = "vml-jupyter"
author = "the vml-jupyter developers"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "alabaster"
html_theme_options = {"page_width": "72rem", "fixed_sidebar": True, "show_powered_by": False}
html_title = f"vml-jupyter {release}"
html_copy_source = False
myst_heading_anchors = 3
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_numpy_docstring = False
nitpicky = False

reference_pages.write_into(HERE / "reference" / "made")
