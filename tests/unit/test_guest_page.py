"""The page of a machine goes on asking for what cells print until they have ended, and is told nothing twice."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import vml_jupyter.guest

SCRIPT = Path(vml_jupyter.guest.__file__).parent / "lab" / "machine.js"
# The page around the script: one notebook with one cell, and a machine that gives the answers it is told to. Pauses are
# short; what was asked and what the cell shows in the end is printed.
PAGE = """
const [script, answers] = [process.argv[1], JSON.parse(process.argv[2])];
globalThis.window = globalThis;
const later = globalThis.setTimeout;
globalThis.setTimeout = action => later(action, 1);
console.warn = () => undefined;
require(script);
const asked = [];
const finish = () => {
  process.stdout.write(JSON.stringify({ asked, shown: cell.outputs.shown }));
  process.exit(0);
};
const makeRequest = async (url, init) => {
  if (asked.length === answers.length) {
    return new Promise(() => undefined);
  }
  const answer = answers[asked.length];
  asked.push(JSON.parse(init.body).seen);
  if (answer === 'broken off') {
    throw new TypeError('Failed to fetch');
  }
  const status = typeof answer === 'number' ? answer : 200;
  return { ok: status === 200, status, json: async () => ({ runs: answer }) };
};
const outputs = { shown: [], length: 0, fromJSON: shown => Object.assign(outputs, { shown, length: shown.length }) };
const cell = { id: 'a', type: 'code', sharedModel: { getSource: () => 'x' }, outputs };
const nothing = { connect: () => undefined };
const context = {
  model: { cells: { length: 1, get: () => cell }, dirty: true },
  ready: Promise.resolve(),
  sessionContext: {
    session: { kernel: { id: 'k', clientId: 'me' } },
    kernelChanged: nothing,
    ready: Promise.resolve()
  }
};
const panel = { context, content: { widgets: [] }, toolbar: { insertItem: () => undefined } };
const node = { dataset: {}, appendChild: () => undefined };
globalThis.document = { createElement: () => node };
const extension = window._JUPYTERLAB['vml-machine'];
const share = module => ({ 1: { get: async () => () => module } });
extension.init({
  '@jupyterlab/services': share({ ServerConnection: { makeRequest } }),
  '@lumino/widgets': share({ Widget: class {} })
});
extension.get().then(get => {
  get().default.activate({
    serviceManager: { serverSettings: { baseUrl: '/' } },
    commands: { addCommand: () => undefined },
    docRegistry: { addWidgetExtension: (_, each) => each.createNew(panel, context) }
  });
});
process.on("beforeExit", finish);
"""


def run(**facts: Any) -> dict[str, Any]:
    plain = {"request": "r", "cell": "a", "code": "x", "state": "running", "count": 1, "version": 1}
    return {**plain, "outputs": [{"text": "1"}], "written": "", "unsaved": True, **facts}


def followed(answers: list[Any]) -> Any:
    node = shutil.which("node")
    assert node, "the set-up brings it"
    command = [node, "-e", PAGE, str(SCRIPT), json.dumps(answers)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("failure", ["broken off", 500, 503])
def test_a_failed_question_is_not_the_last(failure: str | int) -> None:
    ended = run(state="ended", version=2, outputs=[{"text": "2"}])
    told = followed([[run()], failure, failure, [ended], [ended], [ended]])
    assert told["shown"] == [{"text": "2"}]
    assert told["asked"][:4] == [{}, {"r": 1}, {"r": 1}, {"r": 1}]


def test_a_machine_that_keeps_nothing_is_left_alone() -> None:
    assert followed([404, [run()]]) == {"asked": [{}], "shown": []}


def test_what_is_in_the_file_is_sent_once_and_shown_when_it_changes_after_all() -> None:
    old = run(state="ended", unsaved=False, version=7)
    told = followed([[old], [{**old, "outputs": None}], [run(state="ended", version=8)], [old]])
    assert told["asked"] == [{}, {"r": 7}, {"r": 7}, {"r": 8}]
    assert told["shown"] == [{"text": "1"}]
