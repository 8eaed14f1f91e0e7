"""A real Jupyter server with the extension, and flows that need no hypervisor."""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from pytest_jupyter.jupyter_server import *  # noqa: F403  # its fixtures and hooks, for this folder only
from release_images import publish, signed_disk
from tornado.httpclient import HTTPClientError, HTTPResponse

from vml_jupyter.flows.capture import capture
from vml_jupyter.model import Entry
from vml_jupyter.release.mirror import served

from .fake_flows import FakeFlows, entry, machine
from .launch_scene import Ask

Api = Callable[..., Awaitable[Any]]


@pytest.fixture
def jp_server_config(tmp_path: Path) -> dict[str, Any]:
    return {
        "ServerApp": {"jpserver_extensions": {"vml_jupyter.server": True}},
        "VmlExtension": {"data_folder": str(tmp_path / "data"), "logbook": str(tmp_path / "logbook")},
    }


@pytest.fixture
def vml(jp_serverapp: Any) -> Any:
    (app,) = jp_serverapp.extension_manager.extension_apps["vml_jupyter.server"]
    return app


@pytest.fixture
def flows(vml: Any) -> FakeFlows:
    """What the server calls; two entries and one machine are there."""
    vml.flows = vml.shelf = FakeFlows(listed=[entry(2), entry(1)], running=[machine(1)])
    return vml.flows


@pytest.fixture
def api(jp_fetch: Any, flows: FakeFlows) -> Api:
    """Call the API and return (status, decoded body)."""

    async def call(method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        options.setdefault("allow_nonstandard_methods", True)
        text = None if body is None else body if isinstance(body, str) else json.dumps(body)
        try:
            response = await jp_fetch("vml", "api", *path.split("/"), method=method, body=text, **options)
        except HTTPClientError as refused:
            response = refused.response
        return response.code, json.loads(response.body)

    return call


@pytest.fixture
def ended(api: Api) -> Callable[[str], Awaitable[Any]]:
    """Wait for a job, as a browser does."""
    import asyncio

    async def wait(job_id: str) -> Any:
        for _ in range(1000):
            _, body = await api("GET", f"jobs/{job_id}")
            if body["job"]["state"] not in ("queued", "running"):
                return body["job"]
            await asyncio.sleep(0.01)
        raise AssertionError(f"job {job_id} did not end")

    return wait


@pytest.fixture
def launchable(vml: Any, tmp_path: Path) -> Iterator[Callable[..., Entry]]:
    """Capture an entry whose CernVM is in a release repository; what is given is said of it."""
    site = tmp_path / "site"
    site.mkdir()
    publish(site, {"4.5.0.1": 1611705600}, {"2021.05-1": signed_disk()})
    area = tmp_path / "area"
    area.mkdir()
    (area / "fit.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    (area / "data.bin").write_bytes(os.urandom(50_000))
    with served(site) as url:
        vml.user_settings = vml.user_settings.using(release_urls=(url,))
        yield partial(capture, vml.user_settings, area, notebook="fit.ipynb", release="4.5.0.1")


@pytest.fixture(name="entry")
def launchable_entry(launchable: Callable[..., Entry]) -> Entry:
    """An entry that can be launched."""
    return launchable(title="Fit")


@pytest.fixture
def ask(jp_fetch: Any) -> Ask:
    async def ask(
        method: str, path: str, token: str = "", body: Any = None, params: Any = None, **headers: str
    ) -> HTTPResponse:
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            return await jp_fetch(
                *path.split("/"),
                method=method,
                headers=headers,
                params=params or {},
                body=body if body is None or isinstance(body, bytes) else json.dumps(body),
                allow_nonstandard_methods=True,
            )
        except HTTPClientError as refused:
            return cast(HTTPResponse, refused.response)

    return ask
