/**
 * The command that shows the user's settings. The page itself is loaded then.
 */

import { ILabShell, JupyterFrontEnd } from '@jupyterlab/application';
import { MainAreaWidget } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { settingsIcon } from '@jupyterlab/ui-components';

import { showFailure } from './failures';
import { LogbookModel } from './model';
import { PageApi } from './page-api';
import { place } from './placing';
import { CommandIDs } from './tokens';

const ID = 'vml-settings';

export function addSettings(
  app: JupyterFrontEnd,
  model: LogbookModel,
  page: PageApi,
  labShell: ILabShell | null,
  trans: TranslationBundle
): void {
  let shown: MainAreaWidget | null = null;
  app.commands.addCommand(CommandIDs.settings, {
    label: trans.__('Logbook Settings'),
    caption: trans.__(
      'Logbooks, releases, machines: what is set, by whom, and what it means'
    ),
    icon: settingsIcon,
    describedBy: { args: { type: 'object', properties: {} } },
    execute: async () => {
      try {
        if (!shown || shown.isDisposed) {
          const { SettingsPage } = await import(
            /* webpackChunkName: 'settings-page' */ './settings-page'
          );
          const content = new SettingsPage({
            page,
            trans,
            onChange: () => void model.refresh()
          });
          shown = new MainAreaWidget({ content });
          shown.id = ID;
          shown.title.icon = settingsIcon;
          shown.title.closable = true;
          shown.toolbar.hide();
          place(app, labShell, shown);
        }
        app.shell.activateById(ID);
      } catch (reason) {
        await showFailure(
          trans.__('The settings are not shown'),
          reason,
          trans
        );
      }
    }
  });
}
