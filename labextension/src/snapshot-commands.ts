/**
 * The command behind the toolbar's Snapshot button: save, ask, and let the server take it.
 */

import { JupyterFrontEnd } from '@jupyterlab/application';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { TranslationBundle } from '@jupyterlab/translation';

import { Refusal } from './api';
import { showFailure } from './failures';
import { proposedTitle } from './format';
import { snapshotIcon } from './icons';
import { LogbookModel } from './model';
import { askForSnapshot } from './snapshot-form';
import { CommandIDs } from './tokens';

export function addSnapshotCommands(
  app: JupyterFrontEnd,
  model: LogbookModel,
  tracker: INotebookTracker,
  settings: ISettingRegistry.ISettings | null,
  trans: TranslationBundle
): void {
  const current = () => tracker.currentWidget;
  app.commands.addCommand(CommandIDs.snapshot, {
    label: trans.__('Snapshot to the Logbook…'),
    caption: trans.__(
      'Write this notebook, its folder and its CernVM version into the logbook'
    ),
    icon: snapshotIcon,
    isEnabled: () => current() !== null,
    describedBy: { args: { type: 'object', properties: {} } },
    execute: async () => {
      const panel = current();
      if (!panel) {
        return;
      }
      try {
        await takeSnapshot(app, model, panel, settings, trans);
      } catch (reason) {
        await showFailure(trans.__('No snapshot was taken'), reason, trans);
      }
    }
  });
  tracker.currentChanged.connect(() =>
    app.commands.notifyCommandChanged(CommandIDs.snapshot)
  );
}

async function takeSnapshot(
  app: JupyterFrontEnd,
  model: LogbookModel,
  panel: NotebookPanel,
  settings: ISettingRegistry.ISettings | null,
  trans: TranslationBundle
): Promise<void> {
  const path = pathOnServer(app, panel.context.path, trans);
  if (!panel.context.model.readOnly) {
    await panel.context.save();
  }
  const asked = await askForSnapshot({
    proposed: {
      title: proposedTitle(cellsOf(panel), path),
      note: '',
      release: (settings?.composite.release as string) ?? ''
    },
    environment: model.api.environment(),
    offered: model.api.releases(),
    trans
  });
  if (!asked) {
    return;
  }
  if (settings && asked.release !== settings.composite.release) {
    await settings.set('release', asked.release);
  }
  model.track(await model.api.snapshot({ path, ...asked }));
}

/**
 * The path on the server's disk, without the name of a drive.
 */
function pathOnServer(
  app: JupyterFrontEnd,
  path: string,
  trans: TranslationBundle
): string {
  const { contents } = app.serviceManager;
  const drive = contents.driveName(path);
  // The drive of real-time collaboration shows the same files as the server's own.
  if (drive && drive !== 'RTC') {
    throw new Refusal({
      code: 'bad-area',
      message: trans.__('This notebook lies in “%1”, not on the server', drive),
      hint: trans.__('Copy it into a folder of the file browser first')
    });
  }
  return contents.localPath(path);
}

function* cellsOf(
  panel: NotebookPanel
): Iterable<{ type: string; source: string }> {
  for (const cell of panel.content.model?.cells ?? []) {
    yield { type: cell.type, source: cell.sharedModel.getSource() };
  }
}
