/**
 * JupyterLab in a machine: a button and a command that save what is open and wish for a snapshot; and a page that
 * opens a notebook whose cells still run shows what they print, though another page has started them.
 *
 * This is a prebuilt extension of JupyterLab 3 and 4 that needs no building: it takes what it uses from the page's
 * shared modules by itself. `vml_ask.py` passes the wish on; the user's own Jupyter server takes the snapshot.
 * `vml_keep.py` keeps the outputs.
 */
(function () {
  'use strict';

  const EVERY_MS = 500;
  const PATIENCE_MS = 30000;
  const FOLLOW_MS = 1000;
  const FOLLOW_TRIES = 3;
  const FOLLOW_AGAIN_MS = 10000;
  let shared = null;

  /** Return one of the page's modules. */
  async function module(name) {
    const versions = Object.values(shared[name] || {});
    if (versions.length === 0) {
      throw new Error('JupyterLab shares no ' + name);
    }
    return (await versions[versions.length - 1].get())();
  }

  async function ask(app, path, init) {
    const { ServerConnection } = await module('@jupyterlab/services');
    const settings = app.serviceManager.serverSettings;
    const url = settings.baseUrl.replace(/\/?$/, '/') + 'vml/' + path;
    const response = await ServerConnection.makeRequest(url, init, settings);
    if (!response.ok) {
      const error = new Error('The machine answers ' + response.status);
      throw Object.assign(error, { status: response.status });
    }
    return response.json();
  }

  /** Save every document that is open and was changed. */
  async function save(app, context) {
    if (context && !context.model.readOnly) {
      await context.save();
    }
    if (app.commands.hasCommand('docmanager:save-all')) {
      await app.commands.execute('docmanager:save-all');
    }
  }

  /** Wait until the snapshot was taken, or was not; return what the user is to know. */
  async function outcome(app, id) {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const { state, message } = await ask(app, 'wish/' + id, { method: 'GET' });
      if (['done', 'refused', 'failed'].includes(state)) {
        return { ok: state === 'done', message };
      }
      if (state === 'waiting' && Date.now() > deadline) {
        const message =
          'No Jupyter server of yours listens. Take the snapshot in the list of machines, or with `vml capture`.';
        return { ok: false, message };
      }
      await pause(EVERY_MS);
    }
  }

  async function snapshot(app, context) {
    const { Dialog, InputDialog, Notification, showDialog } = await module(
      '@jupyterlab/apputils'
    );
    const asked = await InputDialog.getText({
      title: 'Snapshot to the logbook',
      label: 'Title (empty: as it was restored)',
      okLabel: 'Take snapshot'
    });
    if (!asked.button.accept) {
      return;
    }
    let told;
    try {
      await save(app, context);
      const body = JSON.stringify({ title: asked.value || '' });
      const { id } = await ask(app, 'wish', { method: 'POST', body });
      told = await outcome(app, id);
    } catch (reason) {
      told = { ok: false, message: String(reason.message || reason) };
    }
    if (told.ok && Notification) {
      Notification.success(told.message, { autoClose: 10000 });
    } else {
      const title = told.ok ? 'Snapshot' : 'No snapshot was taken';
      const buttons = [Dialog.okButton()];
      await showDialog({ title, body: told.message, buttons });
    }
  }

  async function button(app, context) {
    const { Widget } = await module('@lumino/widgets');
    const node = document.createElement('div');
    node.className = 'jp-ToolbarButton jp-Toolbar-item';
    const press = document.createElement('button');
    press.className = 'jp-ToolbarButtonComponent jp-Button jp-mod-minimal';
    press.title = 'Save, and write what changed in this machine into your logbook';
    press.textContent = 'Snapshot';
    press.dataset.testid = 'vml-machine-snapshot';
    press.onclick = () => void snapshot(app, context);
    node.appendChild(press);
    return new Widget({ node });
  }

  const pause = ms => new Promise(resolve => setTimeout(resolve, ms));

  function sourceOf(model) {
    return model.sharedModel ? model.sharedModel.getSource() : model.value.text;
  }

  /** Return the position of the cell that was executed, or -1 where none is surely it. */
  function findCell(panel, run) {
    const cells = panel.context.model.cells;
    const found = [];
    for (let at = 0; at < cells.length; at++) {
      const model = cells.get(at);
      if (model.type === 'code' && sourceOf(model) === run.code) {
        if (model.id === run.cell) {
          return at;
        }
        found.push(at);
      }
    }
    return found.length === 1 ? found[0] : -1;
  }

  /** Show what an execution has printed so far; `put` is how many outputs the page was given last. */
  function show(panel, run, put) {
    const at = findCell(panel, run);
    const model = at < 0 ? null : panel.context.model.cells.get(at);
    if (model === null || (put > 0 && model.outputs.length === 0)) {
      return -1; // changed, or cleared by the user
    }
    if (run.outputs !== null && run.count !== null) {
      model.outputs.fromJSON(run.outputs);
      model.executionCount = run.count;
      put = run.outputs.length;
    }
    const ended = run.state === 'ended';
    if ('executionState' in model) {
      model.executionState = ended ? 'idle' : 'running';
    }
    const widget = panel.content.widgets[at];
    if (widget && widget.setPrompt) {
      widget.setPrompt(ended ? String(model.executionCount || '') : '*');
    }
    return put;
  }

  /** Have the page show the file as it is now, if outputs were written into it after the page had read it. */
  async function readAnew(context, runs) {
    const read = context.contentsModel ? Date.parse(context.contentsModel.last_modified) : 0;
    if (!context.model.dirty && runs.some(run => Date.parse(run.written) > read)) {
      await context.revert();
    }
  }

  /** Ask for what cells print that another page has started, and show it; tell whether all of them have ended. */
  async function look(app, panel, kernel, shown, first) {
    const seen = {};
    shown.forEach((one, request) => (seen[request] = one.version));
    const body = JSON.stringify({ kernel: kernel.id, client: kernel.clientId, seen });
    const runs = (await ask(app, 'outputs', { method: 'POST', body })).runs;
    if (panel.isDisposed || kernel.isDisposed) {
      return true;
    }
    if (first) {
      await readAnew(panel.context, runs);
    }
    for (const run of runs) {
      const before = shown.get(run.request) || { put: 0, old: true };
      const ended = run.state === 'ended';
      const old = before.old && ended && !run.unsaved; // as the file has it
      if (old || before.put < 0 || before.ended) {
        shown.set(run.request, { ...before, version: run.version });
        continue;
      }
      const put = show(panel, run, before.put);
      shown.set(run.request, { version: run.version, put, ended });
    }
    return runs.every(run => run.state === 'ended');
  }

  /** Show what cells print that another page has started, until they have ended, however often the network fails. */
  async function follow(app, panel, kernel) {
    const shown = new Map();
    let tries = 0;
    let failures = 0;
    while (!panel.isDisposed && !kernel.isDisposed) {
      const began = Date.now();
      try {
        const ended = await look(app, panel, kernel, shown, tries === 0);
        tries += 1;
        failures = 0;
        if (tries > FOLLOW_TRIES && ended) {
          return;
        }
      } catch (reason) {
        if (reason.status === 404) {
          return; // a machine that cannot keep outputs
        }
        failures += 1;
        if (failures === 1) {
          console.warn('Outputs of cells that still run are not shown for now', reason);
        }
      }
      const patience = Math.min(FOLLOW_MS * 2 ** failures, FOLLOW_AGAIN_MS);
      await pause(Math.min(Math.max(patience, 3 * (Date.now() - began)), FOLLOW_AGAIN_MS));
    }
  }

  /** Follow each kernel that a notebook gets. */
  function attend(app, panel, context) {
    let followed = null;
    const changed = () => {
      const kernel = context.sessionContext.session && context.sessionContext.session.kernel;
      if (kernel && kernel !== followed) {
        followed = kernel;
        context.ready
          .then(() => follow(app, panel, kernel))
          .catch(reason => console.warn('Outputs of cells that still run are not shown', reason));
      }
    };
    context.sessionContext.kernelChanged.connect(changed);
    void context.sessionContext.ready.then(changed);
  }

  const plugin = {
    id: 'vml-machine:snapshot',
    description: 'Wishes for a snapshot of this machine.',
    autoStart: true,
    activate: app => {
      app.commands.addCommand('vml-machine:snapshot', {
        label: 'Snapshot to the Logbook…',
        execute: () => snapshot(app, null)
      });
      app.docRegistry.addWidgetExtension('Notebook', {
        createNew: (panel, context) => {
          attend(app, panel, context);
          void button(app, context).then(widget =>
            panel.toolbar.insertItem(10, 'vmlSnapshot', widget)
          );
        }
      });
    }
  };

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB['vml-machine'] = {
    init: scope => {
      shared = scope;
    },
    get: async () => () => ({ __esModule: true, default: plugin })
  };
})();
