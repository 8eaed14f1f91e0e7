/**
 * What the server tells, as JSON. The words are those of the Python records.
 */

export interface IRelease {
  system: string;
  bootloader: string;
  label: string;
}

export interface IOfferedRelease extends IRelease {
  /** Whether its image is on the server's computer already. */
  here: boolean;
}

export interface IEnvironment {
  release: IRelease | null;
  release_chosen: boolean;
  os: string;
  python: string;
}

export interface IEntry {
  id: string;
  /** UTC, ISO 8601. */
  time: string;
  title: string;
  note: string;
  project: string;
  /** When it was put into the bin; empty where it is not there. */
  forgotten: string;
  /** Relative to the working area; empty for an area without one. */
  notebook: string;
  area: string;
  parent: string;
  tags: string[];
  files: number;
  bytes: number;
  new_bytes: number;
  environment: IEnvironment;
}

export type MachineState =
  'starting' | 'running' | 'stopped' | 'suspended' | 'broken';

/**
 * One thing that an entry needs, and whether it can be had.
 */
export interface INeed {
  kind: 'image' | 'system' | 'repository';
  name: string;
  label: string;
  state: 'here' | 'downloadable' | 'there' | 'gone' | 'unknown';
  reason?: string;
}

/**
 * One way on where something is gone: an option of a restore and its value.
 */
export interface IChoice {
  option: 'release' | 'without-pin';
  value: string;
  label: string;
}

/**
 * Whether what an entry needs is still there; `unnamed` where it records no release.
 */
export interface IDurability {
  state: 'there' | 'gone' | 'unknown' | 'unnamed';
  needs: INeed[];
  choices: IChoice[];
}

/**
 * One thing in which a machine is not what its entry recorded.
 */
export interface IDifference {
  what: string;
  recorded: string;
  here: string;
}

export interface IMachine {
  id: string;
  entry: string;
  title: string;
  notebook: string;
  state: MachineState;
  /** Why a broken machine is broken, and what mends it. */
  detail?: string;
  created: string;
  release: IRelease | null;
  /** What it is, and what it should be. */
  label: string;
  differences: IDifference[];
  accelerator: string;
  shape: { cpus: number; memory_mib: number; scratch_gib: number };
}

export interface IStage {
  name: string;
  title: string;
  seconds: number;
  done: number;
  /** Null where it cannot be known. */
  total: number | null;
  unit: string;
}

export interface IFailure {
  code: string;
  message: string;
  hint: string;
  console: string;
  choices?: IChoice[];
}

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled';

export interface IJob {
  id: string;
  kind:
    'snapshot' | 'capture' | 'restore' | 'files' | 'start' | 'stop' | 'delete';
  title: string;
  state: JobState;
  /** The entry or machine it works on; for a snapshot the path. */
  subject: string;
  created: string;
  finished: string;
  stages: IStage[];
  notes: string[];
  result: Record<string, unknown> | null;
  error: IFailure | null;
}

export interface IOpening {
  /** Empty where the user must first be asked for trust. */
  url: string;
  access: 'direct' | 'proxy';
  trusted: boolean;
}

export interface IRestoreRequest {
  /** Empty for the recorded one. */
  release: string;
  /** Repositories that are to be as new as they are. */
  without_pins: string[];
}

/** What is empty is as in the entry that was restored. */
export interface ICaptureRequest {
  title: string;
  note: string;
  tags: string[];
}

export interface ISnapshotRequest {
  path: string;
  title: string;
  note: string;
  release: string;
  tags: string[];
}

/** What is not named stays as it is. */
export interface IEdit {
  title?: string;
  note?: string;
  project?: string;
  add_tags?: string[];
  remove_tags?: string[];
}

/**
 * Whether a job may still change.
 */
export function isActive(job: IJob): boolean {
  return job.state === 'queued' || job.state === 'running';
}
