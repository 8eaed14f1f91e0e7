/**
 * Opens a machine's notebook: in a tab of JupyterLab that says where it runs, or in a tab of the browser.
 *
 * A tab of JupyterLab shows the machine's pages in a frame, which is only done where they have an origin of their
 * own: what runs in the machine must not be able to act on this server.
 */

import { JupyterFrontEnd } from '@jupyterlab/application';
import { Notification } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { launchIcon } from '@jupyterlab/ui-components';

import { agreed } from './consent';
import { showFailure } from './failures';
import { machineIcon } from './icons';
import { LogbookModel } from './model';
import { IOpening } from './records';
import { CommandIDs } from './tokens';

import type { MachineFrame } from './machine-frame';

const describedBy = {
  args: {
    type: 'object',
    properties: {
      machine: { type: 'string', description: 'The id of the machine' }
    },
    required: ['machine']
  }
};

/**
 * @param inLab - Whether the user wants a tab of JupyterLab where one is possible.
 */
export function addOpening(
  app: JupyterFrontEnd,
  model: LogbookModel,
  inLab: () => boolean,
  trans: TranslationBundle
): void {
  const { commands, shell } = app;
  const frames = new Map<string, MachineFrame>();

  const isRunning = (machine: unknown) => {
    const known = model.machines?.find(one => one.id === machine);
    return !known || known.state === 'running';
  };

  /** The cell that was worked on when the entry was taken, as JupyterLab finds it again. */
  const cellOf = (id: string): string => {
    const machine = model.machines?.find(one => one.id === id);
    const entry = model.entries?.find(one => one.id === machine?.entry);
    return entry?.cell ? `#cell-id=${encodeURIComponent(entry.cell)}` : '';
  };

  const made = async (machine: string): Promise<MachineFrame> => {
    const { MachineFrame } = await import(
      /* webpackChunkName: 'machine-frame' */ './machine-frame'
    );
    const frame = new MachineFrame({ machine, model, commands, trans });
    frames.set(machine, frame);
    frame.disposed.connect(() => frames.delete(machine));
    return frame;
  };

  const show = async (machine: string, url: string): Promise<void> => {
    const frame = frames.get(machine) ?? (await made(machine));
    frame.load(url);
    if (!frame.isAttached) {
      shell.add(frame, 'main');
    }
    shell.activateById(frame.id);
  };

  const open = async (machine: string, framed: boolean): Promise<void> => {
    const opening = await trusted(machine, model, trans);
    if (!opening) {
      return;
    }
    const url = opening.url + cellOf(machine);
    if (framed && opening.frame && isLocal(window.location)) {
      await show(machine, url);
    } else {
      inBrowser(url, trans);
    }
  };

  const add = (
    id: string,
    label: string,
    caption: string,
    framed: () => boolean
  ) =>
    commands.addCommand(id, {
      label,
      caption,
      icon: id === CommandIDs.open ? machineIcon : launchIcon,
      describedBy,
      isEnabled: args => isRunning(args.machine),
      execute: async args => {
        try {
          await open(args.machine as string, framed());
        } catch (reason) {
          await showFailure(
            trans.__('The machine was not opened'),
            reason,
            trans
          );
        }
      }
    });
  add(
    CommandIDs.open,
    trans.__('Open'),
    trans.__('Open the notebook in this machine'),
    inLab
  );
  add(
    CommandIDs.openInBrowser,
    trans.__('Open in a Browser Tab'),
    trans.__('Open the notebook in this machine in a new tab of the browser'),
    () => false
  );
}

/**
 * Whether a page is one of those that a machine lets frame it.
 */
export function isLocal(page: { protocol: string; hostname: string }): boolean {
  return (
    page.protocol === 'http:' &&
    (page.hostname === 'localhost' || page.hostname === '127.0.0.1')
  );
}

/**
 * Where a machine is opened; where its pages would share this server's origin, only with the user's trust.
 */
async function trusted(
  machine: string,
  model: LogbookModel,
  trans: TranslationBundle
): Promise<IOpening | null> {
  const opening = await model.api.open(machine, false);
  if (opening.trusted) {
    return opening;
  }
  const agrees = await agreed(
    trans.__('Do you trust this entry?'),
    trans.__(
      'It was not made on this server. Shown from here, whatever runs in its notebook can act on this Jupyter server in your name. Open it only if you know who made it.'
    ),
    trans.__('Trust and open'),
    trans
  );
  return agrees ? model.api.open(machine, true) : null;
}

function inBrowser(url: string, trans: TranslationBundle): void {
  const tab = window.open(url, '_blank');
  if (tab) {
    // Pages of the machine must not be able to lead this page elsewhere.
    tab.opener = null;
    return;
  }
  Notification.info(
    trans.__('The machine is ready; the browser kept its tab from opening.'),
    {
      autoClose: false,
      actions: [
        {
          label: trans.__('Open'),
          displayType: 'accent',
          callback: () => window.open(url, '_blank', 'noopener')
        }
      ]
    }
  );
}
