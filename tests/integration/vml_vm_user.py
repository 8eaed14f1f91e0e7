"""Somebody who uses the VML VM: logs in, types into a terminal of its JupyterLab, takes snapshots."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Any

import requests
import websocket
from vml_vm import VmlVm, until

PASSWORD = "correct horse battery"
BOOT_S = 300.0
WORK_S = 300.0
NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"


class User:
    """One who logged in with the password, as a browser does."""

    def __init__(self, vm: VmlVm) -> None:
        self.vm = vm
        self._session = requests.Session()
        self._session.headers["Referer"] = (
            vm.url
        )  # without one, files are not given to whoever has only a cookie
        self._session.get(f"{vm.url}login", timeout=60)
        form = {"password": PASSWORD, "_xsrf": self._session.cookies["_xsrf"]}
        said = self._session.post(f"{vm.url}login", data=form, timeout=60, allow_redirects=False)
        assert said.status_code == 302, said.text

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask its API; return the JSON of the answer."""
        answer = self._session.request(
            method,
            self.vm.url + path,
            json=body,
            headers={"X-XSRFToken": self._session.cookies["_xsrf"]},
            timeout=120,
        )
        assert answer.ok, answer.text
        return answer.json()

    def page(self, path: str) -> str:
        """Return one of its pages. The first one that asks for the logbook opens it, which takes its time."""
        answer = self._session.get(self.vm.url + path, timeout=BOOT_S)
        assert answer.ok, answer.text
        return answer.text

    def types(self, line: str) -> str:
        """Type a line into a terminal, and return what it printed; it must succeed."""
        name = self.ask("POST", "api/terminals")["name"]
        cookies = "; ".join(f"{each.name}={each.value}" for each in self._session.cookies)
        link = websocket.create_connection(
            f"{self.vm.url.replace('http', 'ws', 1)}terminals/websocket/{name}",
            cookie=cookies,
            timeout=WORK_S,
        )
        mark, said = secrets.token_hex(8), ""
        try:
            # A wide window breaks no line. The mark's two halves are one only in what is printed.
            link.send(json.dumps(["set_size", 50, 400]))
            link.send(json.dumps(["stdin", f"{line}; echo {mark[:8]}''{mark[8:]} $?\r"]))
            while not (ended := re.search(rf"{mark} (\d+)", said)):
                kind, *words = json.loads(link.recv())
                said += str(words[0]) if kind == "stdout" else ""
        finally:
            link.close()
            self._session.delete(
                f"{self.vm.url}api/terminals/{name}", headers={"X-XSRFToken": self._session.cookies["_xsrf"]}
            )
        assert ended[1] == "0", said
        return said

    def download(self, path: str, into: Path) -> Path:
        """Download a file that lies among its notebooks into a folder here."""
        file = into / Path(path).name
        with self._session.get(f"{self.vm.url}files/{path}", stream=True, timeout=60) as answer:
            assert answer.ok, answer.text
            with file.open("wb") as out:
                for piece in answer.iter_content(1 << 20):
                    out.write(piece)
        return file

    def snapshot(self, area: str, release: str, title: str) -> str:
        """Upload the example as a working area, and take a snapshot of it there; return the entry."""
        self.ask("PUT", f"api/contents/{area}", {"type": "directory"})
        for file in NOTEBOOKS.glob("dimuon.*"):
            body = {"type": "file", "format": "text", "content": file.read_text()}
            self.ask("PUT", f"api/contents/{area}/{file.name}", body)
        asked = {"path": f"{area}/dimuon.ipynb", "title": title, "release": release}
        job = self.ask("POST", "vml/api/snapshots", asked)["job"]["id"]

        def ended() -> Any:
            found = self.ask("GET", f"vml/api/jobs/{job}")["job"]
            return found if found["state"] not in ("queued", "running") else None

        found = until(ended, WORK_S, f"job {job}")
        assert found["state"] == "done", found["error"]
        return str(found["result"]["entry"])

    def entries(self) -> dict[str, dict[str, Any]]:
        """Return all entries by their ids."""
        return {each["id"]: each for each in self.ask("GET", "vml/api/entries")["entries"]}

    def launches(self, which: str = "launches") -> list[dict[str, Any]]:
        return list(self.ask("GET", "vml/api/launches")[which])
