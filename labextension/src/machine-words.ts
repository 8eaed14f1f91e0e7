/**
 * Machines in words.
 */

import { TranslationBundle } from '@jupyterlab/translation';

import { IMachine, MachineState } from './records';

export function stateName(
  state: MachineState,
  trans: TranslationBundle
): string {
  switch (state) {
    case 'starting':
      return trans.__('starting');
    case 'running':
      return trans.__('running');
    case 'stopped':
      return trans.__('stopped');
    case 'suspended':
      return trans.__('suspended');
    default:
      return trans.__('broken');
  }
}

/**
 * What a machine's tab is called: its notebook, and where that runs instead of where it should, if it is not there.
 */
export function tabTitle(machine: IMachine): string {
  const what = machine.notebook.split('/').pop() || machine.title;
  return `${what} · ${machine.label}`;
}

/**
 * 2048 MiB -> '2.1 GB' would be another number than the one that was asked for, so memory is in powers of 1024.
 */
export function memory(machine: IMachine): string {
  const mib = machine.shape.memory_mib;
  return mib % 1024 ? `${mib} MiB` : `${mib / 1024} GiB`;
}
