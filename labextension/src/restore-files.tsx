/**
 * Restore the files of an entry to a folder: ask where, and what is to become of a folder that is there.
 */

import { Dialog, ReactWidget, showDialog } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { TranslationBundle } from '@jupyterlab/translation';
import { folderIcon, InputGroup } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { Refusal } from './api';
import { showFailure } from './failures';
import { FormDialog } from './form-dialog';
import { LogbookModel } from './model';
import { PageApi } from './page-api';
import { IEntry } from './records';
import { CommandIDs } from './tokens';
import { known, vanished } from './vanished';

export function addRestoreFiles(
  commands: CommandRegistry,
  model: LogbookModel,
  page: PageApi,
  browser: IFileBrowserFactory | null,
  trans: TranslationBundle
): void {
  commands.addCommand(CommandIDs.restoreFiles, {
    label: trans.__('Restore Files to a Folder…'),
    caption: trans.__('Write the files of this entry beside your own'),
    icon: folderIcon,
    describedBy: {
      args: {
        type: 'object',
        properties: {
          entry: { type: 'string', description: 'The id of the entry' }
        },
        required: ['entry']
      }
    },
    execute: async args => {
      const entry = await known(model, args.entry as string);
      if (!entry) {
        const title = trans.__('The files were not restored');
        await vanished(title, args.entry as string, trans);
        return;
      }
      const folder = browser?.tracker.currentWidget?.model.path ?? '';
      const local = folder.slice(folder.indexOf(':') + 1);
      try {
        await restoreFiles(
          entry,
          PathExt.join(local, proposedFolder(entry)),
          model,
          page,
          trans
        );
      } catch (reason) {
        await showFailure(
          trans.__('The files of “%1” were not restored', entry.title),
          reason,
          trans
        );
      }
    }
  });
}

/**
 * '/home/ada/fits', captured on 2 January -> 'fits-2026-01-02'.
 */
export function proposedFolder(entry: IEntry): string {
  const name = PathExt.basename(entry.area.replace(/\/+$/, ''));
  return `${name.replace(/^\.+/, '') || 'entry'}-${entry.time.slice(0, 10)}`;
}

async function restoreFiles(
  entry: IEntry,
  proposed: string,
  model: LogbookModel,
  page: PageApi,
  trans: TranslationBundle
): Promise<void> {
  let path: string | null = proposed;
  let keep = false;
  let refusal: Refusal | null = null;
  while (true) {
    if (!keep) {
      path = await askWhere(entry, path, trans);
    }
    if (!path) {
      return;
    }
    try {
      model.track(await page.restoreFiles(entry.id, path, keep));
      return;
    } catch (reason) {
      refusal = reason as Refusal;
      if (refusal.code !== 'would-overwrite') {
        throw reason;
      }
    }
    const answer = await askAboutFolder(path, trans);
    if (!answer) {
      return;
    }
    keep = answer === 'keep';
  }
}

class WhereForm extends ReactWidget implements Dialog.IBodyWidget<string> {
  constructor(
    private _path: string,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('vml-Form');
  }

  getValue(): string {
    return this._path;
  }

  protected render(): JSX.Element {
    return (
      <>
        <p className="vml-Form-text">
          {this._trans.__(
            'The files are written as they were when the snapshot was taken. Nothing that exists is overwritten.'
          )}
        </p>
        <label htmlFor="vml-restore-to">
          {this._trans.__('New folder, in the file browser')}
        </label>
        <InputGroup
          id="vml-restore-to"
          data-testid="vml-restore-to"
          defaultValue={this._path}
          onChange={event => {
            this._path = event.target.value;
          }}
        />
      </>
    );
  }
}

async function askWhere(
  entry: IEntry,
  path: string,
  trans: TranslationBundle
): Promise<string | null> {
  const dialog = new FormDialog<string>({
    title: trans.__('Restore the files of “%1”', entry.title),
    body: new WhereForm(path, trans),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.okButton({ label: trans.__('Restore files') })
    ],
    focusNodeSelector: '#vml-restore-to'
  });
  const result = await dialog.launch();
  return result.button.accept ? result.value : null;
}

async function askAboutFolder(
  path: string,
  trans: TranslationBundle
): Promise<'name' | 'keep' | null> {
  const result = await showDialog({
    title: trans.__('“%1” is there already', path),
    body: trans.__(
      'You can choose another name. Or what is there is written into the logbook first, and the folder is kept beside under a new name.'
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.createButton({
        label: trans.__('Capture and keep it'),
        actions: ['keep']
      }),
      Dialog.okButton({
        label: trans.__('Another name'),
        actions: ['name']
      })
    ]
  });
  const action = result.button.actions[0];
  return action === 'keep' || action === 'name' ? action : null;
}
