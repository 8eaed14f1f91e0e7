/**
 * The plugin of the entry pages: the commands that open them. The pages themselves are loaded at the first one.
 */

import {
  ILabShell,
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { showFailure } from './failures';
import { logbookIcon } from './icons';
import { LogbookModel } from './model';
import { PageApi } from './page-api';
import { place } from './placing';
import { CommandIDs, ILogbookModel } from './tokens';

import type { EntryPage } from './entry-page';

type Page = MainAreaWidget<EntryPage>;

const describedBy = {
  args: {
    type: 'object',
    properties: {
      entry: { type: 'string', description: 'The id of the entry' },
      tab: { type: 'string', description: 'files, changes or environment' }
    },
    required: ['entry']
  }
};

export const entryPages: JupyterFrontEndPlugin<void> = {
  id: 'vml-jupyter:entry-pages',
  description: 'Shows what is in an entry of the Virtual Machine Logbook.',
  autoStart: true,
  requires: [ILogbookModel, IRenderMimeRegistry],
  optional: [ITranslator, ILayoutRestorer, IEditorLanguageRegistry, ILabShell],
  activate: (
    app: JupyterFrontEnd,
    model: LogbookModel,
    rendermime: IRenderMimeRegistry,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    languages: IEditorLanguageRegistry | null,
    labShell: ILabShell | null
  ) => {
    const trans = (translator ?? nullTranslator).load('vml_jupyter');
    const page = new PageApi(app.serviceManager.serverSettings);
    const tracker = new WidgetTracker<Page>({ namespace: 'vml-entry' });

    const make = async (entry: string): Promise<Page> => {
      const { EntryPage } = await import(
        /* webpackChunkName: 'entry-page' */ './entry-page'
      );
      const content = new EntryPage(entry, {
        model,
        page,
        rendermime,
        languages,
        commands: app.commands,
        trans
      });
      const widget = new MainAreaWidget({ content });
      widget.id = `vml-entry-${entry}`;
      widget.title.icon = logbookIcon;
      widget.title.closable = true;
      widget.toolbar.hide();
      return widget;
    };

    app.commands.addCommand(CommandIDs.openEntry, {
      label: trans.__('Open'),
      caption: trans.__('Show the note, files and changes of this entry'),
      icon: logbookIcon,
      describedBy,
      execute: async args => {
        const entry = args.entry as string;
        try {
          let widget = tracker.find(known => known.content.entry === entry);
          if (!widget) {
            widget = await make(entry);
            await tracker.add(widget);
            place(app, labShell, widget);
          }
          if (args.tab) {
            widget.content.showTab(args.tab as string);
          }
          app.shell.activateById(widget.id);
        } catch (reason) {
          await showFailure(
            trans.__('The entry was not opened'),
            reason,
            trans
          );
        }
      }
    });
    app.commands.addCommand(CommandIDs.compareParent, {
      label: trans.__('Show Changes'),
      caption: trans.__('Compare this entry with the one that it continues'),
      describedBy,
      execute: args =>
        app.commands.execute(CommandIDs.openEntry, {
          entry: args.entry as string,
          tab: 'changes'
        })
    });
    if (restorer) {
      void restorer.restore(tracker, {
        command: CommandIDs.openEntry,
        args: widget => ({ entry: widget.content.entry }),
        name: widget => widget.content.entry
      });
    }
  }
};
