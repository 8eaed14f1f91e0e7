/**
 * The names by which plugins, commands and elements find each other.
 */

import { Token } from '@lumino/coreutils';

import { LogbookModel } from './model';

export const ILogbookModel = new Token<LogbookModel>(
  'vml-jupyter:ILogbookModel',
  'The state of the Virtual Machine Logbook: its entries, machines and jobs.'
);

export const PLUGIN = 'vml-jupyter:plugin';

export namespace CommandIDs {
  export const snapshot = 'vml:snapshot';
  export const snapshotNow = 'vml:snapshot-now';
  export const snapshotFolder = 'vml:snapshot-folder';
  export const restore = 'vml:restore';
  export const launcher = 'vml:launcher';
  export const forgetLaunch = 'vml:forget-launch';
  export const forget = 'vml:forget';
  export const unforget = 'vml:unforget';
  export const emptyBin = 'vml:empty-bin';
  export const openEntry = 'vml:open-entry';
  export const compareParent = 'vml:compare-with-parent';
  export const restoreFiles = 'vml:restore-files';
  export const exportEntry = 'vml:export-entry';
  export const copyId = 'vml:copy-entry-id';
  export const open = 'vml:open-machine';
  export const start = 'vml:start-machine';
  export const stop = 'vml:stop-machine';
  export const openInBrowser = 'vml:open-machine-in-browser';
  export const suspend = 'vml:suspend-machine';
  export const resume = 'vml:resume-machine';
  export const capture = 'vml:capture-machine';
  export const showMachine = 'vml:show-machine';
  export const takeStandard = 'vml:take-standard-snapshot';
  export const revert = 'vml:revert-to-standard-snapshot';
  export const removeStandard = 'vml:delete-standard-snapshot';
  export const remove = 'vml:delete-machine';
  export const endJob = 'vml:end-job';
  export const show = 'vml:show-logbook';
  export const showOthers = 'vml:show-other-backups';
  export const tryExample = 'vml:try-example';
  export const doctor = 'vml:doctor';
  export const settings = 'vml:settings';
  export const refresh = 'vml:refresh';
}
