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
  /** The id of the cell at which the notebook is reopened; empty where none is known. */
  cell?: string;
  area: string;
  parent: string;
  tags: string[];
  files: number;
  bytes: number;
  new_bytes: number;
  /** Whether nobody asked for it by hand. */
  automatic?: boolean;
  /** `restic` for a snapshot that it wrote and that is no entry of VML's; else empty. */
  writer?: string;
  /** Whether others may read the logbook that it lies in. */
  shared?: boolean;
  /** Whether it was imported and is not trusted yet. */
  foreign?: boolean;
  environment: IEnvironment;
}

export type MachineState =
  'starting' | 'running' | 'stopped' | 'suspended' | 'broken';

/**
 * One thing that an entry needs, and whether it can be had.
 */
export interface INeed {
  kind: 'image' | 'system' | 'repository';
  /** A bootloader, a system, a repository, or the path of one whose revision was not recorded. */
  name: string;
  label: string;
  state: 'here' | 'downloadable' | 'there' | 'gone' | 'unknown';
  /** Why it is gone, or why that is not known. */
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
  /** `release`, `root_hash`, `bootloader`, `repository`, `path`, or a CernVM-FS repository or its path. */
  what: string;
  /** `not recorded` where the entry left it open. */
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
  /** When it last began to run, UTC, ISO 8601; empty where it does not. */
  since?: string;
  release: IRelease | null;
  /** What it is, and what it should be. */
  label: string;
  differences: IDifference[];
  accelerator: string;
  shape: IShape;
  /** How much of its working area has come over, where that comes as it is read; what is 0 is left out. */
  arrival?: { bytes?: number; size?: number } | null;
}

/**
 * Whether more of a machine's working area may come over.
 */
export function isArriving(machine: IMachine): boolean {
  const { bytes = 0, size = 0 } = machine.arrival ?? {};
  return machine.state === 'running' && bytes < size;
}

export interface IShape {
  cpus: number;
  memory_mib: number;
  scratch_gib: number;
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

export type JobKind =
  | 'snapshot'
  | 'autosnapshot'
  | 'capture'
  | 'warm'
  | 'restore'
  | 'files'
  | 'export'
  | 'start'
  | 'stop'
  | 'suspend'
  | 'resume'
  | 'delete'
  | 'take'
  | 'revert'
  | 'delete-standard';

export type JobState = 'queued' | 'running' | 'done' | 'failed' | 'cancelled';

export interface IJob {
  id: string;
  kind: JobKind;
  title: string;
  state: JobState;
  /** The entry or machine it works on; for a snapshot the path. */
  subject: string;
  created: string;
  finished: string;
  stages: IStage[];
  /** How many seconds each stage is likely to take, in the order in which they come. */
  expected?: Record<string, number>;
  notes: string[];
  result: Record<string, unknown> | null;
  error: IFailure | null;
}

export interface IOpening {
  /** Empty where the user must first be asked for trust. */
  url: string;
  access: 'direct' | 'proxy';
  trusted: boolean;
  /** Whether its pages have an origin of their own and may be shown inside this one. */
  frame: boolean;
}

/** One thing that was looked at on the server's computer. */
export interface IFinding {
  what: string;
  /** `limited`: a restore works, but less well. */
  verdict: 'good' | 'limited' | 'missing';
  why: string;
  fix?: string;
}

export interface IReport {
  can_restore: boolean;
  accelerator: string;
  findings: IFinding[];
}

/**
 * What a launcher is to be for instead of what was recorded.
 */
export interface ILauncherRequest {
  /** Empty for the recorded one. */
  release: string;
  without_pins: string[];
}

/**
 * A script that starts an entry's machine on another computer; it holds a key, and works once.
 */
export interface ILauncher {
  /** Of its file. */
  name: string;
  script: string;
  sha256: string;
  /** Seconds since 1970. */
  expires: number;
}

/**
 * A machine on another computer, as its launcher told.
 */
export interface ILaunch {
  id: string;
  entry: string;
  title: string;
  notebook: string;
  label: string;
  differences: IDifference[];
  /** The stage it is in. */
  state: string;
  accelerator: string;
  /** Those that it went through; times are seconds since 1970. */
  stages: { name: string; time: number }[];
  made: number;
  seen: number;
}

/**
 * A machine's disk and memory at one moment, kept by the hypervisor.
 */
export interface IStandardSnapshot {
  name: string;
  /** The one that it grew out of; missing for a root. */
  parent?: string;
  created?: string;
  /** Whether the machine goes on from this one. */
  current?: boolean;
  memory_bytes?: number;
}

export type Power = 'start' | 'stop' | 'suspend' | 'resume';

/**
 * How large a machine becomes unless somebody says otherwise, and what the server's computer has.
 */
export interface IHostShape {
  shape: IShape;
  cpus: number;
  memory_mib: number;
}

export interface IRestoreRequest {
  /** Empty for the recorded one. */
  release: string;
  /** Repositories that are to be as new as they are. */
  without_pins: string[];
  /** Null for what is usual here. */
  shape: IShape | null;
  /** The recorded one, by which the server knows how long restores of it take; empty where there is none. */
  recorded: string;
}

/** What is empty is as in the entry that was restored. */
export interface ICaptureRequest {
  title: string;
  note: string;
  tags: string[];
}

export interface ISnapshotRequest {
  path: string;
  /** The id of the cell that is worked on. */
  cell: string;
  title: string;
  note: string;
  release: string;
  tags: string[];
  /** Files of the area that are to stay out from now on. */
  leave_out: string[];
  /** Nobody asked for it by hand. */
  automatic: boolean;
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
