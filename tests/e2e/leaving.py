"""A cell that prints once a second goes on while its page is reloaded, closed, and opened again."""

from __future__ import annotations

import re
import time

from playwright.sync_api import BrowserContext, Locator, Page, expect

from .conftest import shot


def leave_and_return(context: BrowserContext, url: str, lines: int, patience_ms: float) -> None:
    """Run such a cell in the notebook of a page, leave it in every way, and find all lines once and in order."""
    page = opened(context, url, patience_ms)
    cell = page.locator(".jp-CodeCell").first
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(
        f"import time\nfor number in range({lines}): print('line', number, flush=True); time.sleep(1)"
    )
    page.keyboard.press("Control+s")
    expect(page.locator("#jp-main-dock-panel .lm-TabBar .jp-mod-dirty")).to_have_count(0, timeout=patience_ms)
    page.keyboard.press("Control+Enter")
    expect(first_output(page)).to_contain_text("line 4", timeout=patience_ms)
    page.reload()
    expect(first_output(page)).to_contain_text("line 5", timeout=patience_ms)
    seen = len(printed(page))
    expect(first_output(page)).to_contain_text(f"line {seen + 2}\n", timeout=patience_ms)
    assert printed(page) == expected(len(printed(page)))
    shot(page, "cell-goes-on-after-reload")
    closed_at = len(printed(page))
    page.close()
    time.sleep(8)  # in which nobody looks at all

    page = opened(context, url, patience_ms)
    expect(first_output(page)).to_contain_text(f"line {closed_at + 3}\n", timeout=patience_ms)
    expect(first_output(page)).to_contain_text(f"line {lines - 1}\n", timeout=patience_ms)
    assert printed(page) == expected(lines)
    expect(page.locator(".jp-CodeCell .jp-InputPrompt").first).not_to_have_text("[*]:")
    page.close()
    time.sleep(2)

    page = opened(context, url, patience_ms)
    expect(first_output(page)).to_contain_text(f"line {lines - 1}\n", timeout=patience_ms)
    assert printed(page) == expected(lines)
    shot(page, "cell-has-ended")
    page.close()


def opened(context: BrowserContext, url: str, patience_ms: float) -> Page:
    page = context.new_page()
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(url)
    known = re.compile(r"Python 3 \(ipykernel\) \| (Idle|Busy)")
    expect(page.get_by_text(known)).to_be_visible(timeout=patience_ms)
    return page


def first_output(page: Page) -> Locator:
    return page.locator(".jp-CodeCell").first.locator(".jp-OutputArea")


def printed(page: Page) -> list[str]:
    return first_output(page).locator("pre").all_inner_texts()[0].splitlines()


def expected(lines: int) -> list[str]:
    return [f"line {number}" for number in range(lines)]
