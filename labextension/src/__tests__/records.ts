/**
 * Records as the server tells them, with what a test cares about.
 */

import { IEntry, IJob, ILaunch, IMachine, IStage } from '../records';

export function entry(
  fields: Partial<IEntry> & { release?: string } = {}
): IEntry {
  const { release, ...rest } = fields;
  const system = release ?? '4.5.0.1';
  return {
    id: 'entry1',
    time: '2026-01-02T08:00:00Z',
    title: 'Fit',
    note: '',
    project: '',
    forgotten: '',
    notebook: 'higgs.ipynb',
    area: '/home/ada/fits',
    parent: '',
    tags: [],
    files: 3,
    bytes: 4096,
    new_bytes: 4096,
    environment: {
      release: { system, bootloader: '2021.05-1', label: `CernVM ${system}` },
      release_chosen: false,
      os: '',
      python: ''
    },
    ...rest
  };
}

export function machine(fields: Partial<IMachine> = {}): IMachine {
  return {
    id: 'm1',
    entry: 'entry1',
    title: 'Fit',
    notebook: 'higgs.ipynb',
    state: 'running',
    created: '',
    release: null,
    label: 'CernVM 4.5.0.1',
    differences: [],
    accelerator: 'tcg',
    shape: { cpus: 2, memory_mib: 2048, scratch_gib: 20 },
    ...fields
  };
}

export function launch(fields: Partial<ILaunch> = {}): ILaunch {
  return {
    id: 'k3v9',
    entry: 'entry1',
    title: 'Fit',
    notebook: 'higgs.ipynb',
    label: 'CernVM 4.5.0.1',
    differences: [],
    state: 'running',
    accelerator: 'tcg',
    stages: [],
    made: 1767340800,
    seen: 1767340860,
    ...fields
  };
}

export function stage(fields: Partial<IStage> = {}): IStage {
  return {
    name: 'take',
    title: 'Taking',
    seconds: 0,
    done: 0,
    total: null,
    unit: '',
    ...fields
  };
}

export function job(fields: Partial<IJob> = {}): IJob {
  return {
    id: 'j1',
    kind: 'restore',
    title: 'Fit',
    state: 'running',
    subject: 'entry1',
    created: '2026-01-02T08:00:00Z',
    finished: '',
    stages: [],
    notes: [],
    result: null,
    error: null,
    ...fields
  };
}
