"""The plain pages below ``/vml/``, used as somebody without JupyterLab uses them."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from playwright.sync_api import Page, expect

from .conftest import accessible, shot

MAKE_MS = 600_000  # the image may have to be fetched first


def download_launcher(page: Page, entry: str, title: str, words: str) -> bytes:
    """Find an entry on the list, have its launcher made, compare the digest; return the script."""
    looks(page, "plain-page")
    page.get_by_label("Words in").fill(words)
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name=title, exact=True).click()
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    looks(page, "plain-entry")
    page.get_by_role("button", name="Make launcher").click()
    link = page.get_by_role("link", name="Download launcher")
    expect(link.or_(page.get_by_text("The launcher is being made"))).to_be_visible()
    shot(page, "plain-making")
    expect(link).to_be_visible(timeout=MAKE_MS)
    looks(page, "plain-launcher")
    with page.expect_download() as coming:
        link.click()
    script = Path(coming.value.path()).read_bytes()
    assert coming.value.suggested_filename == f"vml-launch-{entry}.py"
    assert page.locator("#digest").inner_text() == hashlib.sha256(script).hexdigest()
    return script


def looks(page: Page, name: str) -> None:
    """Keep a picture in dark and one in light; axe-core looks at both."""
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        assert dark == (scheme == "dark")
        background = page.evaluate("getComputedStyle(document.body).color")
        assert bool(re.match(r"rgb\((2[0-9]{2})", background)) == dark, (
            "text is light on dark, and dark on light"
        )
        accessible(page, "main")
        shot(page, f"{name}-{scheme}")
