/**
 * What can be done with a job: end it, or drop it from the list.
 */

import { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';

import { showFailure } from './failures';
import { LogbookModel } from './model';
import { CommandIDs } from './tokens';

const describedBy = {
  args: {
    type: 'object',
    properties: { job: { type: 'string', description: 'The id of the job' } },
    required: ['job']
  }
};

export function addJobCommands(
  commands: CommandRegistry,
  model: LogbookModel,
  trans: TranslationBundle
): void {
  commands.addCommand(CommandIDs.endJob, {
    label: trans.__('Cancel'),
    caption: trans.__('End this job, or dismiss it when it has ended'),
    describedBy,
    execute: async args => {
      try {
        await model.api.endJob(args.job as string);
        await model.readJobs();
      } catch (reason) {
        await showFailure(trans.__('The job was not ended'), reason, trans);
      }
    }
  });
}
