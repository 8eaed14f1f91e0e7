/**
 * What can be done with an entry: restore it in a machine, forget it and take it back, copy its id.
 */

import { Clipboard, Notification } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { deleteIcon, undoIcon } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';

import { agreed } from './consent';
import { showFailure } from './failures';
import { bytes } from './format';
import { restoreIcon } from './icons';
import { LogbookModel } from './model';
import { IEntry } from './records';
import { askForRestore } from './restore-form';
import { CommandIDs } from './tokens';
import { known, vanished } from './vanished';

const UNDO_MS = 10_000;

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

  // The toasts that offer to take an entry back; they go when that was done elsewhere.
  const offers = new Map<string, string>();

  commands.addCommand(CommandIDs.restore, {
    label: trans.__('Restore…'),
    caption: trans.__('Reopen this entry in its CernVM'),
    icon: restoreIcon,
    describedBy,
    isVisible: args => named(args) !== undefined,
    execute: async args => {
      const entry = await known(model, args.entry as string);
      if (!entry) {
        const title = trans.__('The entry was not restored');
        await vanished(title, args.entry as string, trans);
        return;
      }
      const asked = await askForRestore(
        entry,
        model.api.releases(),
        model.api.durability(true).then(all => all[entry.id]),
        model.api.hostShape(),
        trans
      );
      if (!asked) {
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
    label: trans.__('Forget'),
    caption: trans.__('Put this entry into the bin'),
    icon: deleteIcon,
    describedBy,
    isEnabled: args => named(args)?.writer !== 'restic',
    execute: async args => {
      const entry = await known(model, args.entry as string);
      if (!entry) {
        const title = trans.__('There is nothing to forget');
        await vanished(title, args.entry as string, trans);
        return;
      }
      try {
        await model.forget(entry);
      } catch (reason) {
        await showFailure(
          trans.__('“%1” is still in the logbook', entry.title),
          reason,
          trans
        );
        return;
      }
      const told = Notification.info(
        trans.__('“%1” is in the bin.', entry.title),
        {
          autoClose: UNDO_MS,
          actions: [
            {
              label: trans.__('Undo'),
              displayType: 'accent',
              callback: () =>
                void commands.execute(CommandIDs.unforget, { entry: entry.id })
            }
          ]
        }
      );
      offers.set(entry.id, told);
    }
  });

  commands.addCommand(CommandIDs.unforget, {
    label: trans.__('Take Back'),
    caption: trans.__('Take this entry back out of the bin'),
    icon: undoIcon,
    describedBy,
    execute: async args => {
      try {
        const entry = args.entry as string;
        await model.unforget(entry);
        const told = offers.get(entry);
        if (told) {
          Notification.dismiss(told);
        }
      } catch (reason) {
        await showFailure(
          trans.__('The entry is still in the bin'),
          reason,
          trans
        );
      }
    }
  });

  commands.addCommand(CommandIDs.emptyBin, {
    label: trans.__('Empty the Bin…'),
    caption: trans.__('Remove for good what is in the bin'),
    icon: deleteIcon,
    isEnabled: () => !!model.bin?.length,
    describedBy: { args: { type: 'object', properties: {} } },
    execute: async () => {
      const bin = model.bin ?? [];
      if (!bin.length || !(await agreedToEmpty(bin, trans))) {
        return;
      }
      try {
        // What came into the bin since the question is not part of the answer.
        await model.emptyBin(bin.map(entry => entry.id));
      } catch (reason) {
        await showFailure(trans.__('The bin was not emptied'), reason, trans);
      }
    }
  });
  model.changed.connect(() =>
    commands.notifyCommandChanged(CommandIDs.emptyBin)
  );

  commands.addCommand(CommandIDs.copyId, {
    label: trans.__('Copy Entry ID'),
    caption: trans.__('For the vml command and for %vml in a notebook'),
    describedBy,
    isVisible: args => named(args) !== undefined,
    execute: args => Clipboard.copyToSystem(args.entry as string)
  });
}

function agreedToEmpty(
  bin: ReadonlyArray<IEntry>,
  trans: TranslationBundle
): Promise<boolean> {
  const size = bytes(bin.reduce((sum, entry) => sum + entry.new_bytes, 0));
  return agreed(
    trans.__('Empty the bin?'),
    trans._n(
      '%1 entry is removed for good. %2 were written for it; what no other entry needs of that is freed at the next “vml prune”.',
      '%1 entries are removed for good. %2 were written for them; what no other entry needs of that is freed at the next “vml prune”.',
      bin.length,
      size
    ),
    trans._n('Remove %1 entry', 'Remove %1 entries', bin.length),
    trans
  );
}
