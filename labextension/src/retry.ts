/**
 * The next step that makes sense after a job that failed.
 */

import { TranslationBundle } from '@jupyterlab/translation';

import { IJob } from './records';
import { CommandIDs } from './tokens';

export interface IRetry {
  label: string;
  command: string;
  args: Record<string, string>;
}

const POWER: Partial<Record<IJob['kind'], string>> = {
  start: CommandIDs.start,
  stop: CommandIDs.stop,
  suspend: CommandIDs.suspend,
  resume: CommandIDs.resume
};

/** Errors that come of what the computer lacks, which trying again does not mend. */
const LACKING = new Set([
  'tool-missing',
  'libvirt-unreachable',
  'no-accelerator'
]);

/**
 * What may be tried instead, or again; null where the hint alone helps.
 */
export function retryOf(job: IJob, trans: TranslationBundle): IRetry | null {
  if (job.state !== 'failed') {
    return null;
  }
  const { kind, subject } = job;
  if (LACKING.has(job.error?.code ?? '')) {
    const label = trans.__('What is missing…');
    return { label, command: CommandIDs.doctor, args: {} };
  }
  if (kind === 'restore') {
    // The form asks again, as another release, less memory or a moment's patience may be what it takes.
    const label = job.error?.choices?.length
      ? trans.__('Choose…')
      : trans.__('Try again…');
    return { label, command: CommandIDs.restore, args: { entry: subject } };
  }
  if (kind === 'files') {
    const args = { entry: subject };
    const command = CommandIDs.restoreFiles;
    return { label: trans.__('Try again…'), command, args };
  }
  if (kind === 'export') {
    const args = { entry: subject };
    const command = CommandIDs.exportEntry;
    return { label: trans.__('Try again…'), command, args };
  }
  const command = POWER[kind];
  return command
    ? { label: trans.__('Try again'), command, args: { machine: subject } }
    : null;
}
