import { nullTranslator } from '@jupyterlab/translation';

import { remaining, remainingText, since } from '../format';
import { isLocal } from '../machine-opening';
import { memory, tabTitle } from '../machine-words';
import { retryOf } from '../retry';
import { treeOf } from '../standard-view';
import { machineOf } from '../status';
import { job, machine, stage } from './records';

const trans = nullTranslator.load('vml_jupyter');

describe('since', () => {
  const now = Date.parse('2026-01-05T08:00:00Z');
  it.each([
    ['2026-01-05T07:59:30Z', '0 min'],
    ['2026-01-05T06:20:00Z', '1 h 40 min'],
    ['2026-01-03T05:00:00Z', '2 d 3 h'],
    ['2026-01-05T08:00:09Z', '0 min'],
    ['', '']
  ])('%s is %s', (time, text) => {
    expect(since(time, now)).toBe(text);
  });
});

describe('remaining', () => {
  const expected = { entry: 1, start: 2, ready: 20 };

  it('is not known without earlier runs, or before the first stage', () => {
    expect(remaining(job({ stages: [stage({ name: 'start' })] }))).toBeNull();
    expect(remaining(job({ expected }))).toBeNull();
    expect(remainingText(job({ expected }), trans)).toBe('');
  });

  it('is what is left of this stage, and the stages to come', () => {
    const stages = [
      stage({ name: 'entry' }),
      stage({ name: 'start', seconds: 0.5 })
    ];
    expect(remaining(job({ expected, stages }))).toBeCloseTo(21.5);
    expect(remainingText(job({ expected, stages }), trans)).toBe(
      'about 25 s left'
    );
  });

  it('does not go below nothing for a stage that is late', () => {
    const stages = [stage({ name: 'ready', seconds: 90 })];
    expect(remaining(job({ expected, stages }))).toBe(0);
    expect(remainingText(job({ expected, stages }), trans)).toBe('nearly done');
  });

  it('goes by the pace where a stage tells how far it is', () => {
    const fetch = stage({ name: 'fetch', seconds: 10, done: 25, total: 100 });
    expect(remaining(job({ expected, stages: [fetch] }))).toBeCloseTo(30 + 23);
  });

  it('is not known in a stage that is new and tells nothing', () => {
    const stages = [stage({ name: 'new', seconds: 4 })];
    expect(remaining(job({ expected, stages }))).toBeNull();
  });
});

describe('treeOf', () => {
  it('hangs each snapshot below the one that it grew out of', () => {
    const tree = treeOf([
      { name: 'a' },
      { name: 'b', parent: 'a' },
      { name: 'c', parent: 'a' },
      { name: 'd', parent: 'gone' }
    ]);
    expect(tree.map(twig => twig.snapshot.name)).toEqual(['a', 'd']);
    expect(tree[0].grown.map(twig => twig.snapshot.name)).toEqual(['b', 'c']);
  });
});

describe('isLocal', () => {
  it.each([
    ['http:', '127.0.0.1', true],
    ['http:', 'localhost', true],
    ['https:', 'localhost', false],
    ['http:', 'm1.localhost', false],
    ['http:', 'hub.example.org', false]
  ])('%s//%s: %s', (protocol, hostname, local) => {
    expect(isLocal({ protocol, hostname })).toBe(local);
  });
});

describe('retryOf', () => {
  it('offers what makes sense after a failure, and nothing else', () => {
    const failed = (fields: Partial<ReturnType<typeof job>>) =>
      retryOf(job({ state: 'failed', subject: 'x', ...fields }), trans);
    expect(retryOf(job(), trans)).toBeNull();
    expect(failed({})).toMatchObject({
      command: 'vml:restore',
      args: { entry: 'x' }
    });
    expect(failed({ kind: 'resume' })).toMatchObject({
      command: 'vml:resume-machine',
      args: { machine: 'x' }
    });
    expect(failed({ kind: 'delete' })).toBeNull();
  });
});

describe('words of machines', () => {
  it('tells memory as it was asked for', () => {
    const shape = { cpus: 1, memory_mib: 1536, scratch_gib: 1 };
    expect(memory(machine())).toBe('2 GiB');
    expect(memory(machine({ shape }))).toBe('1536 MiB');
  });

  it('names a tab by its notebook, where it runs, and what it is not', () => {
    expect(tabTitle(machine({ notebook: 'fits/higgs.ipynb' }))).toBe(
      'higgs.ipynb · CernVM 4.5.0.1'
    );
    const other = {
      notebook: '',
      label: 'CernVM 4.5.1.0 instead of 4.5.0.1',
      release: { system: '4.5.1.0', bootloader: '', label: 'CernVM 4.5.1.0' }
    };
    expect(tabTitle(machine(other))).toBe(
      'Fit · CernVM 4.5.1.0 instead of 4.5.0.1'
    );
  });

  it('finds the machine of a tab', () => {
    expect(machineOf({ id: 'vml-frame-k3v9' })).toBe('k3v9');
    expect(machineOf({ id: 'vml-entry-k3v9' })).toBe('');
    expect(machineOf(null)).toBe('');
  });
});
