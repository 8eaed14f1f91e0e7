/**
 * Machines on other computers in words.
 */

import { TranslationBundle } from '@jupyterlab/translation';

import { ILaunch } from './records';

const ENDED = 'removed';
const RESTING = ['stopped', 'suspended', 'ended', ENDED, 'failed'];

/**
 * Whether a machine was removed where it was, so only the memory of it is left.
 */
export function isEnded(launch: ILaunch): boolean {
  return launch.state === ENDED;
}

/**
 * How a machine stands, in the words of the machines here.
 */
export function standing(
  launch: ILaunch
): 'running' | 'starting' | 'resting' | 'broken' {
  const { state } = launch;
  if (state === 'failed') {
    return 'broken';
  }
  if (RESTING.includes(state)) {
    return 'resting';
  }
  const up = ['running', 'capture', 'captured', 'suspend'];
  return up.includes(state) ? 'running' : 'starting';
}

/**
 * A stage as people say it.
 */
export function stageName(stage: string, trans: TranslationBundle): string {
  switch (stage) {
    case 'paired':
      return trans.__('paired');
    case 'image':
      return trans.__('looking for the image');
    case 'fetch':
      return trans.__('downloading the image');
    case 'start':
      return trans.__('starting');
    case 'ready':
      return trans.__('waiting for Jupyter');
    case 'running':
      return trans.__('running');
    case 'capture':
      return trans.__('being captured');
    case 'captured':
      return trans.__('running, captured');
    case 'suspend':
      return trans.__('being suspended');
    case 'suspended':
      return trans.__('suspended');
    case 'stopped':
      return trans.__('stopped');
    case 'ended':
      return trans.__('went down by itself');
    case 'failed':
      return trans.__('failed');
    case 'removed':
      return trans.__('removed');
    default:
      return stage;
  }
}

/**
 * 13:05:07 of the day that it is in seconds since 1970.
 */
export function moment(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString();
}
