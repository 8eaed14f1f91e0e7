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
      throw new Error('The machine answers ' + response.status);
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

  /** Show what cells print that another page has started, until they have ended. */
  async function follow(app, panel, kernel) {
    const shown = new Map();
    const over = () => panel.isDisposed || kernel.isDisposed;
    let tries = 0;
    while (!over()) {
      const query = new URLSearchParams({ kernel: kernel.id, client: kernel.clientId });
      shown.forEach((one, request) => query.append('seen', request + ':' + one.version));
      const began = Date.now();
      const runs = (await ask(app, 'outputs?' + query, { method: 'GET' })).runs;
      if (over()) {
        return;
      }
      if (tries === 0) {
        await readAnew(panel.context, runs);
      }
      for (const run of runs) {
        const before = shown.get(run.request);
        const old = run.state === 'ended' && !run.unsaved;
        if (before ? before.put < 0 || before.ended : old) {
          continue;
        }
        const put = show(panel, run, before ? before.put : 0);
        shown.set(run.request, { version: run.version, put, ended: run.state === 'ended' });
      }
      tries += 1;
      if (tries > FOLLOW_TRIES && runs.every(run => run.state === 'ended')) {
        return;
      }
      await pause(Math.max(FOLLOW_MS, 3 * (Date.now() - began)));
    }
  }

  /** Follow each kernel that a notebook gets. */
  function attend(app, panel, context) {
    let followed = null;
    const look = () => {
      const kernel = context.sessionContext.session && context.sessionContext.session.kernel;
      if (kernel && kernel !== followed) {
        followed = kernel;
        context.ready
          .then(() => follow(app, panel, kernel))
          .catch(reason => console.warn('Outputs of cells that still run are not shown', reason));
      }
    };
    context.sessionContext.kernelChanged.connect(look);
    void context.sessionContext.ready.then(look);
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
