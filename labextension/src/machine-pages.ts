/**
 * The plugin of the machines' pages and tabs. The pages themselves are loaded at the first one.
 */

import {
  ILabShell,
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { showFailure } from './failures';
import { machineIcon } from './icons';
import { addOpening } from './machine-opening';
import { LogbookModel } from './model';
import { place } from './placing';
import { CommandIDs, ILogbookModel, PLUGIN } from './tokens';

import type { MachinePage } from './machine-page';

type Page = MainAreaWidget<MachinePage>;

const describedBy = {
  args: {
    type: 'object',
    properties: {
      machine: { type: 'string', description: 'The id of the machine' },
      part: { type: 'string', description: 'standard or console' }
    },
    required: ['machine']
  }
};

export const machinePages: JupyterFrontEndPlugin<void> = {
  id: 'vml-jupyter:machine-pages',
  description: 'Shows the machines of the Virtual Machine Logbook.',
  autoStart: true,
  requires: [ILogbookModel],
  optional: [ITranslator, ILayoutRestorer, ISettingRegistry, ILabShell],
  activate: async (
    app: JupyterFrontEnd,
    model: LogbookModel,
    translator: ITranslator | null,
    restorer: ILayoutRestorer | null,
    registry: ISettingRegistry | null,
    labShell: ILabShell | null
  ) => {
    const trans = (translator ?? nullTranslator).load('vml_jupyter');
    const tracker = new WidgetTracker<Page>({ namespace: 'vml-machine' });
    let inLab = labShell !== null;
    addOpening(app, model, () => inLab, trans);

    const make = async (machine: string): Promise<Page> => {
      const { MachinePage } = await import(
        /* webpackChunkName: 'machine-page' */ './machine-page'
      );
      const { commands } = app;
      const content = new MachinePage({ machine, model, commands, trans });
      const widget = new MainAreaWidget({ content });
      widget.id = `vml-machine-${machine}`;
      widget.title.icon = machineIcon;
      widget.title.closable = true;
      widget.toolbar.hide();
      return widget;
    };

    app.commands.addCommand(CommandIDs.showMachine, {
      label: args =>
        args.part === 'console'
          ? trans.__('Console Log')
          : args.part === 'standard'
            ? trans.__('Standard Snapshots')
            : trans.__('Show Machine'),
      caption: trans.__('Show how this machine stands'),
      icon: args => (args.part ? undefined : machineIcon),
      describedBy,
      execute: async args => {
        const machine = args.machine as string;
        try {
          let widget = tracker.find(known => known.content.machine === machine);
          if (!widget) {
            widget = await make(machine);
            await tracker.add(widget);
            place(app, labShell, widget);
          }
          app.shell.activateById(widget.id);
          if (args.part) {
            const { content } = widget;
            content.showPart(args.part as string);
          }
        } catch (reason) {
          await showFailure(
            trans.__('The machine is not shown'),
            reason,
            trans
          );
        }
      }
    });
    if (restorer) {
      void restorer.restore(tracker, {
        command: CommandIDs.showMachine,
        args: widget => ({ machine: widget.content.machine }),
        name: widget => widget.content.machine
      });
    }
    const settings = (await registry?.load(PLUGIN)) ?? null;
    const heed = () => {
      inLab = labShell !== null && settings?.composite.machineTab !== 'browser';
    };
    settings?.changed.connect(heed);
    heed();
  }
};
