"""Pages for choosing an entry without JupyterLab, made here and without a script: they work in any browser.

    GET  vml/                                  the entries, ?q=words, and the machines that launchers started
    GET  vml/entries/<id>                      one entry: what it is, what it needs, and whether that can be had
    POST vml/entries/<id>                      make its launcher -> vml/entries/<id>?job=<job>, until it is there
    GET  vml/entries/<id>/launcher/<sha256>    that launcher, as a file

Whoever may use JupyterLab here may see them. All that an entry says is text.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

from vml_jupyter.errors import NotFound
from vml_jupyter.model import Query
from vml_jupyter.server.handler import VmlHandler, told
from vml_jupyter.server.launches import launch_view, launcher_name
from vml_jupyter.server.reached import reached

if TYPE_CHECKING:
    from vml_jupyter.jobs import Job

_TEMPLATES = Path(__file__).parent / "templates"
_MOST = 200
_AGAIN_S = 2


class _Page(VmlHandler):
    """A page in HTML; who is not logged in is led to Jupyter's own page for that."""

    def get_login_url(self) -> str:
        return str(JupyterHandler.get_login_url(self))

    @property
    def content_security_policy(self) -> str:
        style = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
        return (
            f"default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none';"
            " frame-ancestors 'self'"
        )

    def show(self, template: str, **values: Any) -> None:
        """Answer with a page."""
        self.set_header("Cache-Control", "no-store")
        self.set_header(
            "Referrer-Policy", "same-origin"
        )  # the form's protection against other sites needs it
        page = _environment().get_template(template)
        text = page.render(base=self.base_url, style=_style(), address=self.address, **values)
        self.finish(text, set_content_type="text/html; charset=utf-8")

    def address(self, *parts: str) -> str:
        return str(url_path_join(self.base_url, "vml", *parts))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        failure = told(status_code, kwargs.get("exc_info"))
        self.show("error.html", title="This cannot be shown", failure=failure)


class EntriesPage(_Page):
    @web.authenticated
    @authorized
    async def get(self) -> None:
        sought = self.get_query_argument("q", "")
        found = await self.beside(self.vml.shelf.entries, Query(search=sought, limit=_MOST + 1))
        launches = await self.beside(self.vml.launches.all)
        self.show(
            "entries.html",
            title="Logbook",
            sought=sought,
            entries=found[:_MOST],
            more=len(found) > _MOST,
            launches=[launch_view(launch) for launch in launches],
        )


class EntryPage(_Page):
    @web.authenticated
    @authorized
    async def get(self, entry_id: str) -> None:
        job = self._job(entry_id)
        if job is not None and job.active:
            self.set_header("Refresh", str(_AGAIN_S))
        details = await self.beside(self.vml.shelf.details, entry_id)
        entry = details.entry
        standing = (await self.beside(partial(self.vml.flows.durabilities, entry.id, asking=True)))[entry.id]
        self.show(
            "entry.html",
            title=entry.title or entry.id,
            entry=entry,
            standing=standing,
            job=job,
            made=self._made(entry.id, job),
            xsrf=self.xsrf_form_html(),
        )

    @web.authenticated
    @authorized
    async def post(self, entry_id: str) -> None:
        server = reached(self)
        details = await self.beside(self.vml.shelf.details, entry_id)
        work = partial(self.vml.made.make, details.entry.id, server)
        title = details.entry.title or details.entry.id
        job = self.vml.desk.submit("launcher", title, work, subject=details.entry.id)
        self.redirect(f"{self.address('entries', details.entry.id)}?job={job.id}", status=303)

    def _job(self, entry_id: str) -> Job | None:
        wanted = self.get_query_argument("job", "")
        try:
            job = self.vml.desk.get(wanted) if wanted else None
        except NotFound:
            return None
        return job if job is not None and job.kind == "launcher" and job.subject == entry_id else None

    def _made(self, entry_id: str, job: Job | None) -> dict[str, str] | None:
        """Return what is to be downloaded, if it still can be."""
        sha256 = str(((job and job.result) or {}).get("sha256", ""))
        try:
            made = self.vml.made.find(entry_id, sha256)
        except NotFound:
            return None
        where = self.address("entries", entry_id, "launcher", sha256)
        return {"name": launcher_name(made), "sha256": sha256, "address": where}


class MadeLauncherHandler(VmlHandler):
    @web.authenticated
    @authorized
    async def get(self, entry_id: str, sha256: str) -> None:
        made = self.vml.made.find(entry_id, sha256)
        self.set_header("Content-Disposition", f'attachment; filename="{launcher_name(made)}"')
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Vml-Sha256", made.sha256)
        self.finish(made.text, set_content_type="text/x-python; charset=utf-8")


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _style() -> str:
    return (_TEMPLATES / "style.css").read_text("utf-8")
