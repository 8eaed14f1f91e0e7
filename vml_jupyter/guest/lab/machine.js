/**
 * JupyterLab in a machine: a button and a command that save what is open and wish for a snapshot.
 *
 * This is a prebuilt extension of JupyterLab 3 and 4 that needs no building: it takes what it uses from the page's
 * shared modules by itself. `vml_ask.py` passes the wish on; the user's own Jupyter server takes the snapshot.
 */
(function () {
  'use strict';

  const EVERY_MS = 500;
  const PATIENCE_MS = 30000;
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
    const url = settings.baseUrl.replace(/\/?$/, '/') + 'vml/wish' + path;
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
      const { state, message } = await ask(app, '/' + id, { method: 'GET' });
      if (['done', 'refused', 'failed'].includes(state)) {
        return { ok: state === 'done', message };
      }
      if (state === 'waiting' && Date.now() > deadline) {
        const message =
          'No Jupyter server of yours listens. Take the snapshot in the list of machines, or with `vml capture`.';
        return { ok: false, message };
      }
      await new Promise(resolve => setTimeout(resolve, EVERY_MS));
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
      const { id } = await ask(app, '', { method: 'POST', body });
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
