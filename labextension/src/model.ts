/**
 * What is known of the logbook, the machines and the jobs: the only state of the extension.
 *
 *    event on Jupyter's bus --wakes--> GET jobs --> changed, jobChanged, jobEnded
 *    a job ended            --wakes--> GET entries, machines
 *
 *    another page's edit    --wakes--> GET entries, bin
 *    the server is back     --wakes--> GET entries, bin, machines
 *
 * The events are only a hurry: jobs are also read again now and then, more often while one is active, machines in any
 * state, and entries while they cannot be read. So after a lost connection, a server restart, the end of a machine, or
 * what another program did to one the picture is right again by itself.
 */

import { Poll } from '@lumino/polling';
import { ISignal, Signal } from '@lumino/signaling';

import { IApi, Refusal } from './api';
import { idle } from './idle';
import {
  IDurability,
  IEdit,
  IEntry,
  IFailure,
  IJob,
  ILaunch,
  IMachine,
  isActive,
  isArriving
} from './records';

const IDLE_MS = 60_000;
const ARRIVALS_MS = 10_000;
const BUSY_MS = 2_000;
const LOST_MS = 5_000;
// A machine may end by itself, and the shell or another page may change one; to look each time would be dear.
const LOOKS_PER_MACHINES = 3;
const FIRST_ENTRIES = 100;

/**
 * The id of the event by which the server tells that a job changed.
 */
export const JOB_EVENT = 'urn:vml-jupyter:job:v1';

/**
 * The id of the event by which the server tells that a machine on another computer changed.
 */
export const LAUNCH_EVENT = 'urn:vml-jupyter:launch:v1';

/**
 * The id of the event by which the server tells that a page of this user changed an entry.
 */
export const ENTRY_EVENT = 'urn:vml-jupyter:entry:v1';

export class LogbookModel {
  /**
   * @param api - The server.
   * @param wakes - Jupyter's events.
   */
  constructor(
    readonly api: IApi,
    wakes?: ISignal<unknown, { schema_id: string }>
  ) {
    wakes?.connect(this._onEvent, this);
    this._poll = new Poll({
      auto: false,
      factory: () => this.readJobs(),
      frequency: { interval: IDLE_MS, backoff: false, max: IDLE_MS },
      name: 'vml-jupyter:jobs',
      standby: 'when-hidden'
    });
    this._arrivals = new Poll({
      auto: false,
      factory: () => this.readArrivals(),
      frequency: { interval: ARRIVALS_MS, backoff: true, max: 300_000 },
      name: 'vml-jupyter:arrivals',
      standby: 'when-hidden'
    });
  }

  /** Newest first; null before the first answer. */
  get entries(): ReadonlyArray<IEntry> | null {
    return this._entries;
  }

  /** What was forgotten, newest first; null before the first answer. */
  get bin(): ReadonlyArray<IEntry> | null {
    return this._bin;
  }

  /** Null before the first answer. */
  get machines(): ReadonlyArray<IMachine> | null {
    return this._machines;
  }

  /** Machines on other computers, those that ended last. */
  get launches(): ReadonlyArray<ILaunch> {
    return this._launches;
  }

  /** How it stands with an entry; undefined while nobody told. */
  durability(entry: string): IDurability | undefined {
    return this._durability[entry];
  }

  /** Newest first. */
  get jobs(): ReadonlyArray<IJob> {
    return this._jobs;
  }

  /** Why the server does not answer; null while it does. */
  get lost(): IFailure | null {
    return this._lost;
  }

  /** Whether what other programs backed up is listed, too. */
  get showsOthers(): boolean {
    return this._others;
  }

  /** The entry as the list has it. */
  listed(entry: string): IEntry | undefined {
    return this._entries?.find(known => known.id === entry);
  }

  /** Why the entries cannot be shown. */
  get entriesFailure(): IFailure | null {
    return this._entriesFailure;
  }

  /** Why the machines cannot be shown. */
  get machinesFailure(): IFailure | null {
    return this._machinesFailure;
  }

  /** Anything above changed. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** An active job is new or got on. */
  get jobChanged(): ISignal<this, IJob> {
    return this._jobChanged;
  }

  /** A job that was active ended. */
  get jobEnded(): ISignal<this, IJob> {
    return this._jobEnded;
  }

  /**
   * Read everything, now and whenever it changes from now on.
   */
  async start(): Promise<void> {
    void this._poll.start();
    void this._arrivals.start();
    await this.refresh();
  }

  /**
   * Read entries, machines and jobs again.
   */
  async refresh(): Promise<void> {
    await Promise.all([
      this._readEntries(),
      this._readBin(),
      this._readMachines(),
      this._readLaunches(),
      this.readJobs().catch(() => undefined)
    ]);
  }

  /**
   * List what other programs backed up, too, or no more.
   */
  async showOthers(others: boolean): Promise<void> {
    this._others = others;
    this._changed.emit();
    await this._readEntries();
  }

  /**
   * Read again what may have changed by itself: machines each time while a working area still comes over and else now
   * and then, and entries while they cannot be read.
   */
  async readArrivals(): Promise<void> {
    const arriving = this._machines?.some(isArriving) ?? false;
    const due = arriving || ++this._looks % LOOKS_PER_MACHINES === 0;
    await Promise.all([
      due && !this._lost ? this._readMachines() : undefined,
      this._entriesFailure && !this._lost ? this._readEntries() : undefined
    ]);
  }

  /**
   * Read the jobs again; while one reading is under way, at most one more is due after it.
   */
  async readJobs(): Promise<void> {
    if (this._reading) {
      this._readAgain = true;
      return this._reading;
    }
    this._reading = this._readJobsUntilQuiet();
    try {
      await this._reading;
    } finally {
      this._reading = null;
    }
  }

  /**
   * Show a job that was just submitted from this page, without waiting for the server to tell.
   */
  track(job: IJob): void {
    this._own.add(job.id);
    const known = this._jobs.find(one => one.id === job.id);
    if (!known) {
      this._unanswered.set(job.id, job);
      this._setJobs([job, ...this._jobs]);
    } else if (!isActive(known)) {
      // The server told of its end before it answered that it has begun.
      this._end([known]);
    }
  }

  /**
   * Whether a job was started from this page.
   */
  isOwn(job: IJob): boolean {
    return this._own.has(job.id);
  }

  /**
   * Put an entry into the bin.
   */
  async forget(entry: IEntry): Promise<void> {
    await this.api.forget(entry.id);
    this._entries = without(this._entries, entry.id);
    this._bin = [entry, ...(without(this._bin, entry.id) ?? [])];
    this._changed.emit();
    await this._readBin();
  }

  /**
   * Take an entry back out of the bin.
   */
  async unforget(entry: string): Promise<void> {
    await this.api.unforget(entry);
    this._bin = without(this._bin, entry);
    await Promise.all([this._readEntries(), this._readBin()]);
  }

  /**
   * Remove entries of the bin for good.
   */
  async emptyBin(entries: string[]): Promise<void> {
    await this.api.emptyBin(entries);
    await this._readBin();
  }

  /**
   * Change what a person wrote about an entry.
   */
  async edit(entry: string, changed: IEdit): Promise<IEntry> {
    const edited = await this.api.edit(entry, changed);
    this._entries =
      this._entries?.map(known =>
        known.id === entry ? { ...known, ...edited } : known
      ) ?? null;
    this._changed.emit();
    return edited;
  }

  /**
   * Forget a machine on another computer; its key is worth nothing any more.
   */
  async forgetLaunch(machine: string): Promise<void> {
    await this.api.forgetLaunch(machine);
    await this._readLaunches();
  }

  dispose(): void {
    this._poll.dispose();
    this._arrivals.dispose();
    Signal.clearData(this);
  }

  private _onEvent(_: unknown, event: { schema_id: string }): void {
    if (event.schema_id === JOB_EVENT) {
      void this.readJobs().catch(() => undefined);
    } else if (event.schema_id === LAUNCH_EVENT) {
      void this._readLaunches();
    } else if (event.schema_id === ENTRY_EVENT) {
      void this._readEntries();
      void this._readBin();
    }
  }

  private async _readJobsUntilQuiet(): Promise<void> {
    do {
      this._readAgain = false;
      try {
        const before = new Set(this._unanswered.keys());
        const jobs = await this.api.jobs();
        this._setLost(null);
        this._setJobs(this._withNewer(jobs, before));
      } catch (reason) {
        this._setLost(failure(reason));
        throw reason;
      }
    } while (this._readAgain);
  }

  /**
   * Add the jobs that were submitted after the server was asked, which its answer may lack; with those of `before`, an
   * answer without them says that they are no more.
   */
  private _withNewer(jobs: IJob[], before: Set<string>): IJob[] {
    const answered = new Set(jobs.map(job => job.id));
    for (const id of this._unanswered.keys()) {
      if (before.has(id) || answered.has(id)) {
        this._unanswered.delete(id);
      }
    }
    return [...this._unanswered.values(), ...jobs];
  }

  private _setLost(lost: IFailure | null): void {
    const before = this._lost;
    this._lost = lost;
    if (lost) {
      this._schedule(LOST_MS);
    }
    if (before?.message !== lost?.message) {
      this._changed.emit();
    }
    if (before && !lost) {
      void this._readEntries();
      void this._readBin();
      void this._readMachines();
    }
  }

  private _schedule(interval: number): void {
    if (interval !== this._poll.frequency.interval) {
      this._poll.frequency = { ...this._poll.frequency, interval };
      void this._poll.schedule({ interval, phase: 'refreshed' });
    }
  }

  private _setJobs(jobs: IJob[]): void {
    const before = new Map(this._jobs.map(job => [job.id, job]));
    this._jobs = jobs;
    const ended = jobs.filter(job => {
      const known = before.get(job.id);
      return known && isActive(known) && !isActive(job);
    });
    const moved = jobs.filter(
      job =>
        isActive(job) &&
        JSON.stringify(job) !== JSON.stringify(before.get(job.id))
    );
    moved.forEach(job => this._jobChanged.emit(job));
    this._end(ended);
    this._schedule(jobs.some(isActive) ? BUSY_MS : IDLE_MS);
    this._changed.emit();
  }

  private _end(ended: IJob[]): void {
    ended.forEach(job => this._jobEnded.emit(job));
    if (ended.length > 0) {
      void this._readEntries();
      void this._readMachines();
    }
  }

  private async _readEntries(): Promise<void> {
    const isNewest = this._ask('entries');
    try {
      let read = this._entries;
      if (read === null) {
        read = await this.api.entries(FIRST_ENTRIES, this._others);
        if (read.length === FIRST_ENTRIES) {
          // The first rows are there while thousands are still on their way.
          this._entries = this._entries ?? read;
          this._changed.emit();
        }
      }
      if (this._entries !== null) {
        if (this._entries.length >= FIRST_ENTRIES) {
          await idle(); // a long list takes the page a while: what was clicked just now is drawn first
          if (!isNewest()) {
            return;
          }
        }
        read = await this.api.entries(0, this._others);
      }
      if (!isNewest()) {
        return; // a later question was asked meanwhile, and its answer is the newer one
      }
      this._entries = read;
      this._entriesFailure = null;
    } catch (reason) {
      if (!isNewest()) {
        return;
      }
      this._entriesFailure = failure(reason);
    }
    this._changed.emit();
    if (!this._entriesFailure) {
      void this._readDurability();
    }
  }

  /**
   * Learn what is known at once, then what servers say; a list without it is as good as before.
   */
  private async _readDurability(): Promise<void> {
    const isNewest = this._ask('durability');
    for (const asking of [false, true]) {
      try {
        const known = await this.api.durability(asking);
        if (!isNewest()) {
          return;
        }
        this._durability = known;
        this._changed.emit();
      } catch {
        return;
      }
    }
  }

  private async _readBin(): Promise<void> {
    const isNewest = this._ask('bin');
    try {
      const bin = await this.api.forgotten();
      if (!isNewest()) {
        return;
      }
      this._bin = bin;
    } catch {
      // What keeps the bin from being read keeps the entries, too, and is told there.
    }
    this._changed.emit();
  }

  private async _readMachines(): Promise<void> {
    const isNewest = this._ask('machines');
    try {
      const machines = await this.api.machines();
      if (!isNewest()) {
        return;
      }
      this._machines = machines;
      this._machinesFailure = null;
    } catch (reason) {
      if (!isNewest()) {
        return;
      }
      this._machinesFailure = failure(reason);
    }
    this._changed.emit();
  }

  private async _readLaunches(): Promise<void> {
    const isNewest = this._ask('launches');
    try {
      const launches = await this.api.launches();
      if (!isNewest()) {
        return;
      }
      this._launches = launches;
    } catch {
      return; // they are told of elsewhere; what is known of them stays
    }
    this._changed.emit();
  }

  /**
   * Begin a question; tells whether no later one of the same list was begun, whose answer would be the newer one.
   */
  private _ask(list: string): () => boolean {
    const round = (this._rounds.get(list) ?? 0) + 1;
    this._rounds.set(list, round);
    return () => this._rounds.get(list) === round;
  }

  private _rounds = new Map<string, number>();
  private _entries: ReadonlyArray<IEntry> | null = null;
  private _durability: Record<string, IDurability> = {};
  private _bin: ReadonlyArray<IEntry> | null = null;
  private _machines: ReadonlyArray<IMachine> | null = null;
  private _launches: ReadonlyArray<ILaunch> = [];
  private _jobs: ReadonlyArray<IJob> = [];
  private _entriesFailure: IFailure | null = null;
  private _machinesFailure: IFailure | null = null;
  private _others = false;
  private _lost: IFailure | null = null;
  private _looks = 0;
  private _own = new Set<string>();
  private _unanswered = new Map<string, IJob>();
  private _reading: Promise<void> | null = null;
  private _readAgain = false;
  private _poll: Poll;
  private _arrivals: Poll;
  private _changed = new Signal<this, void>(this);
  private _jobChanged = new Signal<this, IJob>(this);
  private _jobEnded = new Signal<this, IJob>(this);
}

function without(
  entries: ReadonlyArray<IEntry> | null,
  id: string
): ReadonlyArray<IEntry> | null {
  return entries?.filter(entry => entry.id !== id) ?? null;
}

/**
 * Any reason as message and hint.
 */
export function failure(reason: unknown): IFailure {
  const known = typeof reason === 'object' && reason && 'code' in reason;
  return known
    ? (reason as IFailure)
    : new Refusal({ message: String(reason) });
}
