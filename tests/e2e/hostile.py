"""What a hostile page of a machine tries against the user's own Jupyter server, from the machine's own origin.

Each attack says what it got; all of them must come back with nothing. Script in a page of a machine has exactly these
powers, whether it came with the output of a notebook, a file, or the Jupyter of the machine.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import requests
from playwright.sync_api import BrowserContext, Page

from .conftest import Lab

ATTACKS = """
async ({ server, planted }) => {
  const got = {};
  const attempt = async (name, attack) => {
    try {
      got[name] = await attack();
    } catch (reason) {
      got[name] = null;
    }
  };
  const socketOpens = path =>
    new Promise(resolve => {
      const socket = new WebSocket(server.replace('http', 'ws') + path);
      socket.onopen = () => resolve('open');
      socket.onerror = () => resolve(null);
      setTimeout(() => resolve(null), 5000);
    });
  const frameShows = async path => {
    const frame = document.createElement('iframe');
    frame.src = server + path;
    document.body.appendChild(frame);
    await new Promise(resolve => {
      frame.onload = resolve;
      setTimeout(resolve, 5000);
    });
    try {
      return frame.contentDocument.body.innerText || frame.contentDocument.title || null;
    } finally {
      frame.remove();
    }
  };
  const write = (path, method, body) =>
    fetch(server + path, { method, body, mode: 'no-cors', credentials: 'include' }).then(() => null);

  await attempt('read the api', async () =>
    (await fetch(server + 'api/contents', { credentials: 'include' })).text()
  );
  await attempt('read the logbook', async () =>
    (await fetch(server + 'vml/api/entries', { credentials: 'include' })).text()
  );
  await attempt('read without cors', async () =>
    (await fetch(server + 'api/contents', { mode: 'no-cors', credentials: 'include' })).text()
  );
  await attempt('write a file', () => write('api/contents', 'POST', JSON.stringify({ type: 'file' })));
  await attempt('take a snapshot', () => write('vml/api/snapshots', 'POST', JSON.stringify({ path: '' })));
  await attempt('open a terminal', () => write('api/terminals', 'POST', '{}'));
  await attempt('hear events', () => socketOpens('api/events/subscribe'));
  await attempt('reach a kernel', () => socketOpens('api/kernels/00000000-0000-0000-0000-000000000000/channels'));
  await attempt('see it in a frame', () => frameShows('lab'));
  await attempt('reach who opened this page', async () => window.opener && window.opener.location.href);
  await attempt('read its storage', async () => localStorage.getItem(planted));
  await attempt('read its cookies', async () => (document.cookie.includes(planted) ? document.cookie : null));
  await attempt('work for it', async () =>
    (await navigator.serviceWorker.register(server + 'sw.js', { scope: server })).scope
  );
  document.cookie = '_xsrf=tossed; domain=localhost; path=/';
  document.cookie = '_xsrf=tossed; domain=127.0.0.1; path=/';
  return got;
}
"""
PLANTED = "planted-by-the-user"


def attack(inside: Page, outside: Page, context: BrowserContext, lab: Lab, area: Path) -> None:
    """Attack a server from a page in a machine, and check that nothing was had, and nothing was done."""
    outside.evaluate(
        f"localStorage.setItem('{PLANTED}', 'secret'); document.cookie = '{PLANTED}=secret; path=/'"
    )
    before = sorted(os.listdir(area))
    asked = {"Authorization": f"token {lab.token}"}
    entries = requests.get(f"{lab.url}vml/api/entries", headers=asked, timeout=30).json()
    got = inside.evaluate(ATTACKS, {"server": lab.url, "planted": PLANTED})
    assert got.pop("read without cors") == ""
    assert {name: value for name, value in got.items() if value is not None} == {}
    assert len(got) == 12
    assert sorted(os.listdir(area)) == before
    assert requests.get(f"{lab.url}vml/api/entries", headers=asked, timeout=30).json() == entries
    assert requests.get(f"{lab.url}api/terminals", headers=asked, timeout=30).json() == []
    port = urlsplit(lab.url).port
    for host in ("127.0.0.1", "localhost"):
        tossed = [
            cookie for cookie in context.cookies(f"http://{host}:{port}") if cookie.get("value") == "tossed"
        ]
        assert tossed == []


def try_token(token: str, lab: Lab) -> None:
    """Check that a machine's token opens nothing of the user's own server."""
    for path in ("api/contents", "vml/api/entries", "vml/api/machines", "vml/api/jobs"):
        headers = {"Authorization": f"token {token}"}
        answer = requests.get(f"{lab.url}{path}", headers=headers, timeout=30, allow_redirects=False)
        assert answer.status_code == 403, path
        answer = requests.get(f"{lab.url}{path}?token={token}", timeout=30, allow_redirects=False)
        assert answer.status_code == 403, path


def command_lines() -> str:
    """Return the command lines of all processes."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)
