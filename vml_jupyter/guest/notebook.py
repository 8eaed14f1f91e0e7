"""Run a whole notebook in a machine's own Jupyter, and bring it back with its outputs.

    GET api/contents/PATH -> POST api/sessions -> each code cell in order -> DELETE api/sessions -> the notebook
    ... and PUT api/contents/PATH where it is to be saved
    GET api/sessions -> code in the kernel that the notebook has there

The kernel runs in the machine; only code goes in and outputs come out. jupyter_kernel_client, an optional
dependency, speaks to it.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import quote

import nbformat
import requests

from vml_jupyter.errors import Foreign, MachineError, MachineGone, NotFound, ToolMissing
from vml_jupyter.progress import SILENT, Progress

_REQUEST_S = 60.0
_CONNECTS = 3
_FIRST_S = 20.0
_KERNEL_S = 120.0  # an emulated machine may take this long to start one


class CellFailed(MachineError):
    """A cell raised an error.

    Args:
        number: Which code cell, counted from 1.
        notebook: The notebook with all outputs so far, the error's among them.
    """

    http_status = 422

    def __init__(self, message: str, hint: str, number: int, notebook: nbformat.NotebookNode) -> None:
        super().__init__(message, hint)
        self.number = number
        self.notebook = notebook


def execute_notebook(
    url: str, token: str, path: str, timeout_s: float, *, save: bool = False, progress: Progress = SILENT
) -> nbformat.NotebookNode:
    """Execute every code cell of a notebook in the machine that holds it.

    Args:
        url: The machine's Jupyter: ``http://127.0.0.1:PORT/``, with its base URL.
        token: Its token.
        path: The notebook, relative to the working area.
        timeout_s: For all cells together.
        save: Write the outputs back into the notebook there, also those before an error.
        progress: Hears which cell runs; may cancel between cells.

    Returns:
        The notebook with its outputs.

    Raises:
        CellFailed: A cell raised; the ones after it were not run.
        NotFound: There is no such notebook.
        MachineGone: The machine does not answer, or not in time.
        ToolMissing: jupyter_kernel_client is not installed.
        Foreign: What it answers is no notebook.
        Cancelled: Progress said so.
    """
    _require_client()
    jupyter = _Jupyter(url, token)
    deadline = time.monotonic() + timeout_s
    notebook = jupyter.read(path)
    kernel_name = notebook.metadata.get("kernelspec", {}).get("name", "python3")
    try:
        with (
            jupyter.session(path, kernel_name) as kernel_id,
            _connected(jupyter.url, token, kernel_id) as kernel,
        ):
            _run_cells(notebook, kernel, deadline, progress)
    finally:
        if save:
            jupyter.write(path, notebook)
    return notebook


def run_code(url: str, token: str, path: str, code: str, timeout_s: float) -> str:
    """Run code in the kernel that a notebook has in its machine: the one that a browser shows there.

    Args:
        url: The machine's Jupyter, as for ``execute_notebook``.
        token: Its token.
        path: The notebook; a kernel is started where it has none.
        code: What to run.
        timeout_s: For all of it.

    Returns:
        What it printed.

    Raises:
        CellFailed: It raised.
        NotFound: There is no such notebook.
        MachineGone: The machine does not answer, or not in time.
        ToolMissing: jupyter_kernel_client is not installed.
    """
    _require_client()
    jupyter = _Jupyter(url, token)
    deadline = time.monotonic() + timeout_s
    notebook = jupyter.read(path)
    with _connected(jupyter.url, token, jupyter.kernel_of(path)) as kernel:
        _await_output(kernel, deadline)
        reply = _execute(kernel, code, deadline, "the code")
    outputs = [_node(output) for output in reply["outputs"]]
    if reply["status"] != "ok":
        raise CellFailed(f"the code failed: {_error_of(outputs)}", "Run it in the machine.", 1, notebook)
    return "".join(output.text for output in outputs if output.output_type == "stream")


def _await_output(kernel: Any, deadline: float) -> None:
    """Wait until outputs arrive: a busy machine loses the first of a new connection, and code must not run twice."""
    while True:
        with suppress(MachineGone):
            if _execute(kernel, "print('ready')", min(deadline, time.monotonic() + _FIRST_S), "a word")[
                "outputs"
            ]:
                return
        if time.monotonic() > deadline:
            raise MachineGone("the machine's kernel does not answer", "Try again, or look into the machine.")


def _run_cells(notebook: nbformat.NotebookNode, kernel: Any, deadline: float, progress: Progress) -> None:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in cells:
        cell.outputs, cell.execution_count = [], None
    for number, cell in enumerate(cells, 1):
        progress.advance(number, len(cells), "cells")
        if not cell.source.strip():
            continue
        reply = _execute(kernel, cell.source, deadline, f"code cell {number} of {len(cells)}")
        cell.outputs = [_node(output) for output in reply["outputs"]]
        cell.execution_count = reply["execution_count"]
        if reply["status"] != "ok":
            raise CellFailed(
                f"code cell {number} of {len(cells)} failed: {_error_of(cell.outputs)}",
                "Open the machine and run the cell there.",
                number,
                notebook,
            )


def _execute(kernel: Any, source: str, deadline: float, which: str) -> dict[str, Any]:
    import websocket

    try:
        reply: dict[str, Any] = kernel.execute(source, timeout=max(deadline - time.monotonic(), 0.1))
    except (websocket.WebSocketException, TimeoutError, RuntimeError, OSError) as error:
        message = f"{which} did not finish: {error or 'the time is up'}"
        raise MachineGone(message, "Give it more time, or look into the machine.") from error
    return reply


@contextmanager
def _connected(url: str, token: str, kernel_id: str) -> Iterator[Any]:
    kernel = _connect(url, token, kernel_id)
    try:
        yield kernel
    finally:
        kernel.stop(shutdown_kernel=False)  # the session ends it


def _connect(url: str, token: str, kernel_id: str) -> Any:
    """Return a client that the kernel has answered; one that is still starting may drop the first connection."""
    import websocket
    from jupyter_kernel_client import JupyterKernelClient

    for attempt in range(1, _CONNECTS + 1):
        kernel = JupyterKernelClient(server_url=url, token=token, kernel_id=kernel_id)
        try:
            kernel.start(timeout=_KERNEL_S)
            kernel.kernel_info  # noqa: B018 - asks, and waits for the answer
        except (websocket.WebSocketException, TimeoutError, RuntimeError, OSError) as error:
            kernel.stop(shutdown_kernel=False)
            if attempt == _CONNECTS:
                raise MachineGone(f"the machine's kernel does not answer: {error}", "Try again.") from error
        else:
            return kernel
    raise AssertionError("the last attempt returns or raises")


def _error_of(outputs: list[Any]) -> str:
    errors = [output for output in outputs if output.output_type == "error"]
    return f"{errors[-1].ename}: {errors[-1].evalue}"[:300] if errors else "without an error message"


class _Jupyter:
    """The few requests to a Jupyter server that this needs."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._http = requests.Session()
        self._http.trust_env = False  # a proxy of the host's has no business here
        self._http.headers["Authorization"] = f"token {token}"

    def read(self, path: str) -> nbformat.NotebookNode:
        model = self._request("GET", f"contents/{quote(path)}", params={"type": "notebook", "content": "1"})
        try:
            notebook = _node(model["content"])
            nbformat.validate(notebook)
        except (KeyError, TypeError, nbformat.ValidationError) as error:
            raise Foreign(f"{path} in the machine is no notebook that can be read") from error
        return notebook

    def write(self, path: str, notebook: nbformat.NotebookNode) -> None:
        model = {"type": "notebook", "format": "json", "content": notebook}
        self._request("PUT", f"contents/{quote(path)}", json=model)

    def kernel_of(self, path: str) -> str:
        """Return the kernel that a notebook has, which is started where it has none; it stays."""
        for session in self._request("GET", "sessions"):
            if session.get("path") == path and session.get("kernel"):
                return str(session["kernel"]["id"])
        return str(self._start(path, "python3")["kernel"]["id"])

    @contextmanager
    def session(self, path: str, kernel_name: str) -> Iterator[str]:
        """Start a kernel for a notebook, in the notebook's folder; end it on leaving."""
        session = self._start(path, kernel_name)
        try:
            yield str(session["kernel"]["id"])
        finally:
            self._request("DELETE", f"sessions/{session['id']}")

    def _start(self, path: str, kernel_name: str) -> Any:
        wanted = {"path": path, "name": path, "type": "notebook", "kernel": {"name": kernel_name}}
        return self._request("POST", "sessions", timeout=_KERNEL_S, json=wanted)

    def _request(self, method: str, what: str, timeout: float = _REQUEST_S, **kwargs: Any) -> Any:
        try:
            response = self._http.request(method, f"{self.url}/api/{what}", timeout=timeout, **kwargs)
        except requests.RequestException as error:
            raise MachineGone(
                f"the machine's Jupyter does not answer: {error}", "Does the machine run?"
            ) from error
        if response.status_code == requests.codes.not_found:
            raise NotFound(f"the machine has no {what}", "Is the path relative to the working area?")
        if not response.ok:
            raise MachineGone(f"the machine's Jupyter refuses {method} {what}: {response.status_code}")
        return response.json() if response.content else None


def _node(value: Any) -> nbformat.NotebookNode:
    node: nbformat.NotebookNode = nbformat.from_dict(value)  # type: ignore[no-untyped-call]  # it has no types
    return node


def _require_client() -> None:
    if importlib.util.find_spec("jupyter_kernel_client") is None:
        hint = "Install it beside this package: pip install jupyter-kernel-client"
        raise ToolMissing("jupyter_kernel_client is not installed", hint)
