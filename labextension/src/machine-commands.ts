/**
 * What can be done with a machine: open, start, stop, suspend, resume, delete, and its standard snapshots.
 */

import { TranslationBundle } from '@jupyterlab/translation';
import {
  deleteIcon,
  launchIcon,
  runIcon,
  stopIcon
} from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { agreed } from './consent';
import { showFailure } from './failures';
import { snapshotIcon, suspendIcon } from './icons';
import { LogbookModel } from './model';
import { IMachine, MachineState } from './records';
import { choices } from './search';
import { askForSnapshot } from './snapshot-form';
import { CommandIDs } from './tokens';

const machineArg = {
  machine: { type: 'string', description: 'The id of the machine' }
};
const describedBy = {
  args: { type: 'object', properties: machineArg, required: ['machine'] }
};
const describedByName = {
  args: {
    type: 'object',
    properties: {
      ...machineArg,
      name: { type: 'string', description: 'The name of the snapshot' }
    },
    required: ['machine', 'name']
  }
};

type Run = (machine: string, name: string) => Promise<void>;

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
    failed: string,
    states: MachineState[],
    execute: Run
  ) =>
    commands.addCommand(id, {
      describedBy,
      // What the list does not know yet is for the server to judge.
      isEnabled: args =>
        !named(args) || states.includes(named(args)?.state as MachineState),
      ...options,
      execute: async args => {
        try {
          await execute(args.machine as string, (args.name as string) ?? '');
        } catch (reason) {
          await showFailure(failed, reason, trans);
        }
      }
    });
  const everyState: MachineState[] = [
    'starting',
    'running',
    'suspended',
    'stopped',
    'broken'
  ];

  add(
    CommandIDs.start,
    {
      label: trans.__('Start'),
      caption: trans.__('Start this machine again'),
      icon: runIcon
    },
    trans.__('The machine was not started'),
    ['stopped'],
    async machine => model.track(await model.api.power(machine, 'start'))
  );
  add(
    CommandIDs.resume,
    {
      label: trans.__('Resume'),
      caption: trans.__('Go on where this machine was suspended'),
      icon: runIcon
    },
    trans.__('The machine was not resumed'),
    ['suspended', 'broken'],
    async machine => model.track(await model.api.power(machine, 'resume'))
  );
  add(
    CommandIDs.suspend,
    {
      label: trans.__('Suspend'),
      caption: trans.__(
        'Keep this machine on disk with its memory: kernels go on where they were'
      ),
      icon: suspendIcon
    },
    trans.__('The machine was not suspended'),
    ['running'],
    async machine => model.track(await model.api.power(machine, 'suspend'))
  );
  add(
    CommandIDs.stop,
    {
      label: trans.__('Stop'),
      caption: trans.__('Shut this machine down; its disk is kept'),
      icon: stopIcon
    },
    trans.__('The machine was not stopped'),
    ['starting', 'running', 'suspended', 'broken'],
    async machine => model.track(await model.api.power(machine, 'stop'))
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
    trans.__('No snapshot was taken of the machine'),
    ['running'],
    async machine => {
      const proposed = {
        title: named({ machine })?.title ?? '',
        note: '',
        tags: [],
        leave_out: [],
        release: ''
      };
      const knownTags = choices(model.entries ?? []).tag;
      const asked = await askForSnapshot({ proposed, knownTags, trans });
      if (asked) {
        model.track(await model.api.capture(machine, asked));
      }
    }
  );
  add(
    CommandIDs.remove,
    {
      label: trans.__('Delete…'),
      caption: trans.__('Delete this machine and what was changed in it'),
      icon: deleteIcon
    },
    trans.__('The machine was not deleted'),
    everyState,
    async machine => {
      if (await agreedToDelete(named({ machine })?.title ?? machine, trans)) {
        model.track(await model.api.remove(machine));
      }
    }
  );
  add(
    CommandIDs.takeStandard,
    {
      label: trans.__('Take a Standard Snapshot'),
      caption: trans.__(
        'Keep disk and memory of this machine as they are now, running kernels included'
      ),
      describedBy: describedByName
    },
    trans.__('No standard snapshot was taken'),
    ['running'],
    async (machine, name) =>
      model.track(await model.api.takeStandard(machine, name))
  );
  add(
    CommandIDs.revert,
    {
      label: trans.__('Revert…'),
      caption: trans.__('Take this machine back to a standard snapshot'),
      icon: launchIcon,
      describedBy: describedByName
    },
    trans.__('The machine was not reverted'),
    everyState,
    async (machine, name) => {
      if (await agreedToRevert(name, trans)) {
        model.track(await model.api.revert(machine, name));
      }
    }
  );
  add(
    CommandIDs.removeStandard,
    {
      label: trans.__('Delete…'),
      caption: trans.__('Delete a standard snapshot'),
      icon: deleteIcon,
      describedBy: describedByName
    },
    trans.__('The standard snapshot was not deleted'),
    everyState,
    async (machine, name) => {
      if (await agreedToRemoveStandard(name, trans)) {
        model.track(await model.api.removeStandard(machine, name));
      }
    }
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

function agreedToRevert(
  name: string,
  trans: TranslationBundle
): Promise<boolean> {
  return agreed(
    trans.__('Revert to “%1”?', name),
    trans.__(
      'Disk and memory become what they were then. What the machine is now is lost, unless you take a standard snapshot of it first.'
    ),
    trans.__('Revert'),
    trans
  );
}

function agreedToRemoveStandard(
  name: string,
  trans: TranslationBundle
): Promise<boolean> {
  return agreed(
    trans.__('Delete the standard snapshot “%1”?', name),
    trans.__(
      'The machine can no longer be taken back to it. The machine, and the snapshots that grew out of this one, stay.'
    ),
    trans.__('Delete'),
    trans
  );
}
