/**
 * The commands that take a snapshot: save, ask, and let the server take it.
 */

import { JupyterFrontEnd } from '@jupyterlab/application';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';

import { Refusal } from './api';
import { AutomaticEntries } from './automatic';
import { showFailure } from './failures';
import { proposedTitle } from './format';
import { snapshotIcon } from './icons';
import { LogbookModel } from './model';
import { PageApi } from './page-api';
import { save } from './saving';
import { choices } from './search';
import { askForSnapshot, ISnapshotForm } from './snapshot-form';
import { titleWithChanges } from './title';
import { CommandIDs } from './tokens';

export interface ISnapshotContext {
  app: JupyterFrontEnd;
  model: LogbookModel;
  page: PageApi;
  tracker: INotebookTracker;
  browser: IFileBrowserFactory | null;
  settings: ISettingRegistry.ISettings | null;
  trans: TranslationBundle;
}

/** What is captured: a notebook with its folder, or a folder. */
interface ISubject {
  path: string;
  title: string;
  cell: string;
}

export function addSnapshotCommands(context: ISnapshotContext): void {
  const { app, tracker, trans } = context;
  const add = (
    id: string,
    options: Omit<CommandRegistry.ICommandOptions, 'execute'>,
    subject: () => Promise<ISubject | null>,
    ask: boolean
  ) =>
    app.commands.addCommand(id, {
      icon: snapshotIcon,
      describedBy: { args: { type: 'object', properties: {} } },
      ...options,
      execute: async () => {
        try {
          const found = await subject();
          if (found) {
            await takeSnapshot(context, found, ask);
          }
        } catch (reason) {
          await showFailure(trans.__('No snapshot was taken'), reason, trans);
        }
      }
    });

  const notebook = async () =>
    tracker.currentWidget
      ? savedNotebook(context, tracker.currentWidget)
      : null;
  const isEnabled = () => tracker.currentWidget !== null;
  add(
    CommandIDs.snapshot,
    {
      label: trans.__('Snapshot to the Logbook…'),
      caption: trans.__(
        'Write this notebook, its folder and its CernVM version into the logbook (Alt-click: without asking)'
      ),
      isEnabled
    },
    notebook,
    true
  );
  add(
    CommandIDs.snapshotNow,
    {
      label: trans.__('Snapshot to the Logbook Without Asking'),
      caption: trans.__(
        'Write this notebook, its folder and its CernVM version into the logbook at once'
      ),
      isEnabled
    },
    notebook,
    false
  );
  add(
    CommandIDs.snapshotFolder,
    {
      label: trans.__('Snapshot This Folder…'),
      caption: trans.__('Write this folder into the logbook')
    },
    async () => chosenFolder(context),
    true
  );
  tracker.currentChanged.connect(() => {
    app.commands.notifyCommandChanged(CommandIDs.snapshot);
    app.commands.notifyCommandChanged(CommandIDs.snapshotNow);
  });
  takeOnAltClick(app.commands);
  new AutomaticEntries(
    tracker,
    context.model.api,
    () => (context.settings?.composite.automaticMinutes as number) ?? 0,
    path => pathOnServer(app, path, trans)
  );
}

/**
 * Let Alt-click on a Snapshot button take it without asking; the button itself does not tell which keys were held.
 */
function takeOnAltClick(commands: CommandRegistry): void {
  const onPress = (event: MouseEvent) => {
    const button = (event.target as Element).closest?.(
      `.jp-Toolbar [data-command="${CommandIDs.snapshot}"]`
    );
    if (!button || !event.altKey || event.button !== 0) {
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.type === 'click') {
      void commands.execute(CommandIDs.snapshotNow);
    }
  };
  for (const type of ['mousedown', 'click'] as const) {
    window.addEventListener(type, onPress, true);
  }
}

async function takeSnapshot(
  context: ISnapshotContext,
  subject: ISubject,
  ask: boolean
): Promise<void> {
  const { model, page, settings, trans } = context;
  const proposed: ISnapshotForm = {
    title: subject.title,
    note: '',
    tags: [],
    leave_out: [],
    release: (settings?.composite.release as string) ?? ''
  };
  const asked = !ask
    ? proposed
    : await askForSnapshot({
        proposed,
        release: {
          environment: model.api.environment(),
          offered: model.api.releases()
        },
        preview: signal => page.preview(subject.path, signal),
        secrets: signal => page.secrets(subject.path, signal),
        betterTitle: (parent, signal) =>
          titleWithChanges(
            page,
            subject.title,
            parent,
            subject.path,
            trans,
            signal
          ),
        knownTags: choices(model.entries ?? []).tag,
        trans
      });
  if (!asked) {
    return;
  }
  if (settings && asked.release !== settings.composite.release) {
    await settings.set('release', asked.release);
  }
  const { path, cell } = subject;
  model.track(
    await model.api.snapshot({ path, cell, automatic: false, ...asked })
  );
}

async function savedNotebook(
  context: ISnapshotContext,
  panel: NotebookPanel
): Promise<ISubject> {
  const path = pathOnServer(context.app, panel.context.path, context.trans);
  if (!panel.context.model.readOnly) {
    await save(panel.context);
  }
  const cell = panel.content.activeCell?.model.id ?? '';
  return { path, title: proposedTitle(cellsOf(panel), path), cell };
}

function chosenFolder(context: ISnapshotContext): ISubject | null {
  const browser = context.browser?.tracker.currentWidget;
  if (!browser) {
    return null;
  }
  const selected = [...browser.selectedItems()];
  const folder = selected.find(item => item.type === 'directory');
  const shown = folder?.path ?? browser.model.path;
  const path = pathOnServer(context.app, shown, context.trans);
  return { path, title: path.split('/').pop() ?? '', cell: '' };
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
      message: trans.__('This lies in “%1”, not on the server', drive),
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
