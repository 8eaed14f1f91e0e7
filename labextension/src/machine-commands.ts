/**
 * What can be done with a machine: open, start, stop, capture, delete.
 */

import { Notification } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { launchIcon, runIcon, stopIcon } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { agreed } from './consent';
import { showFailure } from './failures';
import { snapshotIcon } from './icons';
import { LogbookModel } from './model';
import { IMachine } from './records';
import { choices } from './search';
import { askForSnapshot } from './snapshot-form';
import { CommandIDs } from './tokens';

const describedBy = {
  args: {
    type: 'object',
    properties: {
      machine: { type: 'string', description: 'The id of the machine' }
    },
    required: ['machine']
  }
};

export function addMachineCommands(
  commands: CommandRegistry,
  model: LogbookModel,
  trans: TranslationBundle
): void {
  const named = (args: ReadonlyPartialJSONObject): IMachine | undefined =>
    model.machines?.find(machine => machine.id === args.machine);

  const add = (
    id: string,
    options: Omit<CommandRegistry.ICommandOptions, 'execute'>,
    execute: (machine: string) => Promise<void>,
    failed: string
  ) =>
    commands.addCommand(id, {
      ...options,
      describedBy,
      execute: async args => {
        try {
          await execute(args.machine as string);
        } catch (reason) {
          await showFailure(failed, reason, trans);
        }
      }
    });

  add(
    CommandIDs.open,
    {
      label: trans.__('Open'),
      caption: trans.__(
        'Open the notebook in this machine in a new browser tab'
      ),
      icon: launchIcon
    },
    machine => openMachine(machine, model, trans),
    trans.__('The machine was not opened')
  );
  add(
    CommandIDs.start,
    {
      label: trans.__('Start'),
      caption: trans.__('Start this machine again'),
      icon: runIcon
    },
    async machine => model.track(await model.api.power(machine, 'start')),
    trans.__('The machine was not started')
  );
  add(
    CommandIDs.stop,
    {
      label: trans.__('Stop'),
      caption: trans.__('Shut this machine down; its disk is kept'),
      icon: stopIcon
    },
    async machine => model.track(await model.api.power(machine, 'stop')),
    trans.__('The machine was not stopped')
  );
  add(
    CommandIDs.capture,
    {
      label: trans.__('Snapshot to the Logbook…'),
      caption: trans.__(
        'Write what changed in this machine into the logbook; it goes on running'
      ),
      icon: snapshotIcon
    },
    async machine => {
      const proposed = {
        title: named({ machine })?.title ?? '',
        note: '',
        tags: [],
        release: ''
      };
      const knownTags = choices(model.entries ?? []).tag;
      const asked = await askForSnapshot({ proposed, knownTags, trans });
      if (asked) {
        model.track(await model.api.capture(machine, asked));
      }
    },
    trans.__('No snapshot was taken of the machine')
  );
  add(
    CommandIDs.remove,
    {
      label: trans.__('Delete…'),
      caption: trans.__('Delete this machine and what was changed in it')
    },
    async machine => {
      if (await agreedToDelete(named({ machine })?.title ?? machine, trans)) {
        model.track(await model.api.remove(machine));
      }
    },
    trans.__('The machine was not deleted')
  );
}

/**
 * Open a machine in a new tab; where its pages would share this server's origin, only with the user's trust.
 */
async function openMachine(
  machine: string,
  model: LogbookModel,
  trans: TranslationBundle
): Promise<void> {
  let opening = await model.api.open(machine, false);
  if (!opening.trusted) {
    if (!(await agreedToTrust(trans))) {
      return;
    }
    opening = await model.api.open(machine, true);
  }
  const tab = window.open(opening.url, '_blank');
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
          callback: () => window.open(opening.url, '_blank', 'noopener')
        }
      ]
    }
  );
}

function agreedToTrust(trans: TranslationBundle): Promise<boolean> {
  return agreed(
    trans.__('Do you trust this entry?'),
    trans.__(
      'It was not made on this server. Shown from here, whatever runs in its notebook can act on this Jupyter server in your name. Open it only if you know who made it.'
    ),
    trans.__('Trust and open'),
    trans
  );
}

function agreedToDelete(
  title: string,
  trans: TranslationBundle
): Promise<boolean> {
  return agreed(
    trans.__('Delete the machine of “%1”?', title),
    trans.__(
      'What was changed in it since it was restored is lost, and so are its standard snapshots. The entry stays in the logbook.'
    ),
    trans.__('Delete'),
    trans
  );
}
