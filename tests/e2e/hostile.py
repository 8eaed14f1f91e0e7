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
async ({ server, planted, machine, toss }) => {
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
  await attempt('lead who opened this page elsewhere', async () => {
    window.opener.location = 'about:blank';
    return 'led';
  });
  await attempt('speak to who opened this page', async () => {
    window.opener.postMessage({ id: 'vml:snapshot' }, '*');
    return 'spoken';
  });
  await attempt('be of its domain', async () => {
    const before = location.hostname;
    document.domain = new URL(server).hostname;
    return document.domain === before ? null : document.domain;
  });
  await attempt('come in by its proxy', async () =>
    (await fetch(server + `vml/machines/${machine}/api/contents`, { credentials: 'include' })).text()
  );
  await attempt('see its proxy in a frame', () => frameShows(`vml/machines/${machine}/lab`));
  await attempt('reach a kernel by its proxy', () =>
    socketOpens(`vml/machines/${machine}/api/events/subscribe`)
  );
  await attempt('reach into a window of it', async () => {
    const opened = window.open(server + 'lab');
    await new Promise(resolve => setTimeout(resolve, 5000));
    return opened.closed ? null : opened.document.title || opened.document.body.innerHTML;
  });
  await attempt('forge a request', async () => {
    const [, token] = document.cookie.match(/_xsrf=([^;]+)/) || [null, ''];
    const headers = { 'X-XSRFToken': token };
    const body = JSON.stringify({ type: 'file' });
    const sent = { method: 'POST', credentials: 'include', headers, body };
    return (await fetch(server + 'api/contents', sent)).text();
  });
  await attempt('send a form', async () => {
    const [, token] = document.cookie.match(/_xsrf=([^;]+)/) || [null, ''];
    const frame = document.body.appendChild(document.createElement('iframe'));
    frame.name = 'answer';
    const form = document.body.appendChild(document.createElement('form'));
    Object.assign(form, { method: 'post', target: 'answer', action: `${server}api/terminals?_xsrf=${token}` });
    form.submit();
    await new Promise(resolve => setTimeout(resolve, 2000));
    const shown = frame.contentDocument.body.innerText;
    form.remove();
    frame.remove();
    return shown || null;
  });
  await attempt('read its storage', async () => localStorage.getItem(planted));
  await attempt('read its cookies', async () => (document.cookie.includes(planted) ? document.cookie : null));
  await attempt('work for it', async () =>
    (await navigator.serviceWorker.register(server + 'sw.js', { scope: server })).scope
  );
  await attempt('answer for its own path, unconfined', async () => {
    const place = location.pathname.startsWith(new URL(server).pathname + 'vml/machines/')
      ? `${server}vml/machines/${machine}/`
      : null;
    if (place === null) {
      return null; // an origin of its own
    }
    const csrf = (document.cookie.match(/_xsrf=([^;]+)/) || [null, ''])[1];
    const script =
      'self.addEventListener("install", () => self.skipWaiting());' +
      'self.addEventListener("activate", event => event.waitUntil(self.clients.claim()));' +
      'self.addEventListener("fetch", event => event.respondWith(new Response("<html>unconfined</html>", ' +
      '{ headers: { "Content-Type": "text/html" } })));';
    const file = JSON.stringify({ type: 'file', format: 'text', content: script });
    const headers = { 'X-XSRFToken': csrf, 'Content-Type': 'application/json' };
    const put = await fetch(place + 'api/contents/sw.js', { method: 'PUT', headers, body: file });
    if (!put.ok) {
      return `the attack was not tried: ${put.status}`;
    }
    try {
      await navigator.serviceWorker.register(place + 'files/sw.js');
      await new Promise(resolve => setTimeout(resolve, 2000));
      const page = document.body.appendChild(document.createElement('iframe'));
      page.src = place + 'files/unconfined.html';
      await new Promise(resolve => {
        page.onload = resolve;
        setTimeout(resolve, 5000);
      });
      const text = page.contentDocument.body.innerText;
      page.remove();
      return text.includes('unconfined') ? text : 'registered';
    } finally {
      await fetch(place + 'api/contents/sw.js', { method: 'DELETE', headers });
    }
  });
  for (const domain of toss ? ['localhost', '127.0.0.1'] : []) {
    document.cookie = `_xsrf=tossed; domain=${domain}; path=/`;
  }
  return got;
}
"""
PLANTED = "planted-by-the-user"
# Behind the server's own proxy a machine is of the server's origin, and is itself where its proxy is.
SHARED_BY_PROXY = frozenset(
    {
        "read its storage",
        "read its cookies",
        "come in by its proxy",
        "see its proxy in a frame",
        "reach a kernel by its proxy",
    }
)


def attack(
    inside: Page,
    outside: Page,
    context: BrowserContext,
    lab: Lab,
    area: Path,
    machine: str,
    shared: frozenset[str] = frozenset(),
) -> None:
    """Attack a server from a page in a machine, and check that nothing was had but ``shared``, and nothing was done."""
    outside.evaluate(
        f"localStorage.setItem('{PLANTED}', 'secret'); document.cookie = '{PLANTED}=secret; path=/'"
    )
    before = sorted(os.listdir(area))
    asked = {"Authorization": f"token {lab.token}"}
    entries = requests.get(f"{lab.url}vml/api/entries", headers=asked, timeout=30).json()
    got = inside.evaluate(
        ATTACKS, {"server": lab.url, "planted": PLANTED, "machine": machine, "toss": not shared}
    )
    assert not got.pop("read without cors")
    assert {name: value for name, value in got.items() if value is not None and name not in shared} == {}
    assert len(got) == 22
    assert outside.url.startswith(lab.url)
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
