/**
 * The plugins: the state, what can be done, and where it is shown.
 */

import {
  ILabShell,
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { refreshIcon } from '@jupyterlab/ui-components';

import { Api } from './api';
import { addDoctor } from './doctor-view';
import { addEntryCommands } from './entry-commands';
import { entryPages } from './entry-pages';
import { addExample } from './example';
import { addExport } from './export-entry';
import { logbookIcon } from './icons';
import { addJobCommands } from './job-commands';
import { addLauncherCommands } from './launcher-commands';
import { addMachineCommands } from './machine-commands';
import { machinePages } from './machine-pages';
import { LogbookModel } from './model';
import { Notices } from './notices';
import { PageApi } from './page-api';
import { LogbookPanel } from './panel';
import { addRestoreFiles } from './restore-files';
import { addSettings } from './settings-pages';
import { addSnapshotCommands } from './snapshot-commands';
import { statusItem } from './status';
import { Plots } from './thumbnail';
import { CommandIDs, ILogbookModel, PLUGIN } from './tokens';

const DOMAIN = 'vml_jupyter';

/**
 * What is known of the logbook.
 */
const model: JupyterFrontEndPlugin<LogbookModel> = {
  id: 'vml-jupyter:model',
  description: 'Provides the state of the Virtual Machine Logbook.',
  autoStart: true,
  provides: ILogbookModel,
  activate: (app: JupyterFrontEnd) => {
    const { events, serverSettings } = app.serviceManager;
    const model = new LogbookModel(new Api(serverSettings), events.stream);
    void app.restored.then(() => model.start());
    return model;
  }
};

/**
 * Snapshot: the notebook toolbar, the File menu, the palette; and every other command.
 */
const commands: JupyterFrontEndPlugin<void> = {
  id: PLUGIN,
  description: 'Adds the commands of the Virtual Machine Logbook.',
  autoStart: true,
  requires: [ILogbookModel, INotebookTracker],
  optional: [
    ISettingRegistry,
    ITranslator,
    ICommandPalette,
    IFileBrowserFactory,
    ILabShell
  ],
  activate: async (
    app: JupyterFrontEnd,
    model: LogbookModel,
    tracker: INotebookTracker,
    registry: ISettingRegistry | null,
    translator: ITranslator | null,
    palette: ICommandPalette | null,
    browser: IFileBrowserFactory | null,
    labShell: ILabShell | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const page = new PageApi(app.serviceManager.serverSettings);
    const settings = (await registry?.load(PLUGIN)) ?? null;
    addSnapshotCommands({
      app,
      model,
      page,
      tracker,
      browser,
      settings,
      trans
    });
    addEntryCommands(app.commands, model, trans);
    addLauncherCommands(app.commands, model, trans);
    addRestoreFiles(app.commands, model, page, browser, trans);
    addExport(app.commands, model, page, browser, trans);
    addExample(app.commands, page, browser, trans);
    addSettings(app, model, page, labShell, trans);
    addDoctor(app.commands, model.api, trans);
    addMachineCommands(app.commands, model, trans);
    addJobCommands(app.commands, model, trans);
    new Notices(
      model,
      app.commands,
      trans,
      () => settings?.composite.openWhenReady !== false
    );
    for (const command of [
      CommandIDs.snapshot,
      CommandIDs.snapshotNow,
      CommandIDs.tryExample,
      CommandIDs.settings,
      CommandIDs.doctor
    ]) {
      palette?.addItem({ command, category: trans.__('Logbook') });
    }
  }
};

/**
 * The side bar.
 */
const panel: JupyterFrontEndPlugin<void> = {
  id: 'vml-jupyter:panel',
  description: 'Shows the Virtual Machine Logbook in the side bar.',
  autoStart: true,
  requires: [ILogbookModel],
  optional: [ITranslator, ILayoutRestorer, ICommandPalette, ILabShell],
  activate: (
    app: JupyterFrontEnd,
    model: LogbookModel,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    palette: ICommandPalette | null,
    labShell: ILabShell | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    app.commands.addCommand(CommandIDs.refresh, {
      label: trans.__('Refresh the Logbook'),
      caption: trans.__('Read entries and machines again'),
      icon: refreshIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () => model.refresh()
    });
    app.commands.addCommand(CommandIDs.showOthers, {
      label: trans.__('List What Other Programs Backed Up'),
      caption: trans.__('List the snapshots that restic wrote, too'),
      describedBy: { args: { type: 'object', properties: {} } },
      isToggleable: true,
      isToggled: () => model.showsOthers,
      execute: () => model.showOthers(!model.showsOthers)
    });
    model.changed.connect(() =>
      app.commands.notifyCommandChanged(CommandIDs.showOthers)
    );
    const page = new PageApi(app.serviceManager.serverSettings);
    const plots = new Plots((entry, signal) => page.thumbnail(entry, signal));
    const panel = new LogbookPanel(model, app.commands, plots, trans);
    app.commands.addCommand(CommandIDs.show, {
      label: trans.__('Logbook'),
      caption: trans.__('Show entries, machines and jobs'),
      icon: logbookIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      execute: () =>
        labShell
          ? labShell.activateById(panel.id)
          : app.shell.activateById(panel.id)
    });
    app.shell.add(panel, 'left', { rank: 250, type: 'Logbook' });
    restorer?.add(panel, panel.id);
    for (const command of [
      CommandIDs.show,
      CommandIDs.refresh,
      CommandIDs.showOthers,
      CommandIDs.emptyBin
    ]) {
      palette?.addItem({ command, category: trans.__('Logbook') });
    }
  }
};

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  model,
  commands,
  panel,
  entryPages,
  machinePages,
  statusItem
];
export default plugins;
