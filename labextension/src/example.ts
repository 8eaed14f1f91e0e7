/**
 * The example: laid into a folder of its own, and opened.
 */

import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';

import { showFailure } from './failures';
import { PageApi } from './page-api';
import { CommandIDs } from './tokens';

export function addExample(
  commands: CommandRegistry,
  page: PageApi,
  browser: IFileBrowserFactory | null,
  trans: TranslationBundle
): void {
  commands.addCommand(CommandIDs.tryExample, {
    label: trans.__('Open the Logbook’s Example'),
    caption: trans.__(
      'Copy a notebook with muon pairs into a new folder, and open it'
    ),
    describedBy: { args: { type: 'object', properties: {} } },
    execute: async () => {
      const folder = browser?.tracker.currentWidget?.model.path ?? '';
      try {
        const path = await page.layExample(
          folder.slice(folder.indexOf(':') + 1)
        );
        await commands.execute('docmanager:open', { path });
      } catch (reason) {
        await showFailure(
          trans.__('The example was not opened'),
          reason,
          trans
        );
      }
    }
  });
}
