/**
 * What can be done with an entry: restore it in a machine, forget it, copy its id.
 */

import { Clipboard } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { agreed } from './consent';
import { showFailure } from './failures';
import { restoreIcon } from './icons';
import { LogbookModel } from './model';
import { IEntry } from './records';
import { askForRestore } from './restore-form';
import { CommandIDs } from './tokens';

const describedBy = {
  args: {
    type: 'object',
    properties: {
      entry: { type: 'string', description: 'The id of the entry' }
    },
    required: ['entry']
  }
};

export function addEntryCommands(
  commands: CommandRegistry,
  model: LogbookModel,
  trans: TranslationBundle
): void {
  const named = (args: ReadonlyPartialJSONObject): IEntry | undefined =>
    model.entries?.find(entry => entry.id === args.entry);

  commands.addCommand(CommandIDs.restore, {
    label: trans.__('Restore…'),
    caption: trans.__('Reopen this entry in its CernVM'),
    icon: restoreIcon,
    describedBy,
    isVisible: args => named(args) !== undefined,
    execute: async args => {
      const entry = named(args);
      const asked =
        entry &&
        (await askForRestore(
          entry,
          model.api.releases(),
          model.api.durability(true).then(all => all[entry.id]),
          trans
        ));
      if (!entry || !asked) {
        return;
      }
      try {
        model.track(await model.api.restore(entry.id, asked));
      } catch (reason) {
        await showFailure(
          trans.__('“%1” was not restored', entry.title),
          reason,
          trans
        );
      }
    }
  });

  commands.addCommand(CommandIDs.forget, {
    label: trans.__('Forget…'),
    caption: trans.__('Put this entry into the bin'),
    describedBy,
    isVisible: args => named(args) !== undefined,
    execute: async args => {
      const entry = named(args);
      if (!entry || !(await agreedToForget(entry, trans))) {
        return;
      }
      try {
        await model.api.forget(entry.id);
        model.forgotten(entry.id);
      } catch (reason) {
        await showFailure(
          trans.__('“%1” is still in the logbook', entry.title),
          reason,
          trans
        );
      }
    }
  });

  commands.addCommand(CommandIDs.copyId, {
    label: trans.__('Copy Entry ID'),
    caption: trans.__('For the vml command and for %vml in a notebook'),
    describedBy,
    isVisible: args => named(args) !== undefined,
    execute: args => Clipboard.copyToSystem(args.entry as string)
  });
}

function agreedToForget(
  entry: IEntry,
  trans: TranslationBundle
): Promise<boolean> {
  return agreed(
    trans.__('Forget “%1”?', entry.title),
    trans.__(
      'The entry goes into the bin; “vml unforget” takes it back until the bin is emptied. The notebook and its files stay where they are.'
    ),
    trans.__('Forget'),
    trans
  );
}
