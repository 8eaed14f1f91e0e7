/**
 * The server's API as functions: <base_url>vml/api/... -> records, or a `Refusal`.
 */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import {
  ICaptureRequest,
  IChoice,
  IDurability,
  IEdit,
  IEntry,
  IEnvironment,
  IFailure,
  IHostShape,
  IJob,
  ILaunch,
  ILauncher,
  ILauncherRequest,
  IMachine,
  IOfferedRelease,
  IOpening,
  IReport,
  IRestoreRequest,
  ISnapshotRequest,
  IStandardSnapshot,
  Power
} from './records';

/**
 * The server said no, or nothing: what, why, and what to do.
 */
export class Refusal extends Error implements IFailure {
  constructor(failure: Partial<IFailure> & { message: string }) {
    super(failure.message);
    this.code = failure.code ?? 'unexpected';
    this.hint = failure.hint ?? '';
    this.console = failure.console ?? '';
    this.choices = failure.choices ?? [];
  }

  readonly code: string;
  readonly hint: string;
  readonly console: string;
  readonly choices: IChoice[];
}

/**
 * What the model and the commands ask of a server.
 */
export interface IApi {
  /** The newest `limit` entries, or all; with `others` also what other programs backed up. */
  entries(limit?: number, others?: boolean): Promise<IEntry[]>;
  /** Those in the bin. */
  forgotten(): Promise<IEntry[]>;
  forget(entry: string): Promise<void>;
  unforget(entry: string): Promise<IEntry>;
  edit(entry: string, changed: IEdit): Promise<IEntry>;
  emptyBin(entries: string[]): Promise<void>;
  snapshot(asked: ISnapshotRequest): Promise<IJob>;
  restore(entry: string, asked: IRestoreRequest): Promise<IJob>;
  durability(asking: boolean): Promise<Record<string, IDurability>>;
  jobs(): Promise<IJob[]>;
  endJob(job: string): Promise<void>;
  machines(): Promise<IMachine[]>;
  open(machine: string, trust: boolean): Promise<IOpening>;
  power(machine: string, kind: Power): Promise<IJob>;
  capture(machine: string, asked: ICaptureRequest): Promise<IJob>;
  remove(machine: string): Promise<IJob>;
  /** The end of what it wrote to its serial console. */
  console(machine: string): Promise<string>;
  standard(machine: string): Promise<IStandardSnapshot[]>;
  takeStandard(machine: string, name: string): Promise<IJob>;
  revert(machine: string, name: string): Promise<IJob>;
  removeStandard(machine: string, name: string): Promise<IJob>;
  releases(): Promise<IOfferedRelease[]>;
  environment(): Promise<IEnvironment>;
  hostShape(): Promise<IHostShape>;
  /** A script for another computer; an image that the server lacks is downloaded first. */
  launcher(entry: string, asked: ILauncherRequest): Promise<ILauncher>;
  /** The machines on other computers, those that ended last. */
  launches(): Promise<ILaunch[]>;
  forgetLaunch(machine: string): Promise<void>;
  /** What the server's computer can run, and how to mend what it cannot. */
  doctor(): Promise<IReport>;
}

export class Api implements IApi {
  constructor(settings: ServerConnection.ISettings) {
    this._settings = settings;
  }

  async entries(limit = 0, others = false): Promise<IEntry[]> {
    return this._list('entries', {
      ...(limit ? { limit: `${limit}` } : {}),
      ...(others ? { all: '1' } : {})
    });
  }

  async forgotten(): Promise<IEntry[]> {
    return this._list('entries', { forgotten: '1' });
  }

  async forget(entry: string): Promise<void> {
    await this._ask(['entries', entry], 'DELETE');
  }

  async unforget(entry: string): Promise<IEntry> {
    return this._ask(['entries', entry, 'unforget'], 'POST');
  }

  async edit(entry: string, changed: IEdit): Promise<IEntry> {
    return this._ask(['entries', entry], 'PATCH', changed);
  }

  async emptyBin(entries: string[]): Promise<void> {
    await this._ask(['bin', 'empty'], 'POST', { entries });
  }

  async snapshot(asked: ISnapshotRequest): Promise<IJob> {
    return this._job(['snapshots'], 'POST', asked);
  }

  async restore(entry: string, asked: IRestoreRequest): Promise<IJob> {
    return this._job(['entries', entry, 'restore'], 'POST', asked);
  }

  /**
   * How it stands with each entry: at once, or after the servers were asked.
   */
  async durability(asking: boolean): Promise<Record<string, IDurability>> {
    return this._list('durability', asking ? { asking: '1' } : {});
  }

  async jobs(): Promise<IJob[]> {
    return (await this._get<{ jobs: IJob[] }>('jobs')).jobs;
  }

  async endJob(job: string): Promise<void> {
    await this._ask(['jobs', job], 'DELETE');
  }

  async machines(): Promise<IMachine[]> {
    return (await this._get<{ machines: IMachine[] }>('machines')).machines;
  }

  async open(machine: string, trust: boolean): Promise<IOpening> {
    return this._ask(['machines', machine, 'open'], 'POST', { trust });
  }

  async power(machine: string, kind: Power): Promise<IJob> {
    return this._job(['machines', machine, kind], 'POST');
  }

  async capture(machine: string, asked: ICaptureRequest): Promise<IJob> {
    const { title, note, tags } = asked;
    return this._job(['machines', machine, 'capture'], 'POST', {
      title,
      note,
      tags
    });
  }

  async remove(machine: string): Promise<IJob> {
    return this._job(['machines', machine], 'DELETE');
  }

  async console(machine: string): Promise<string> {
    type Reply = { text: string };
    const path = ['machines', machine, 'console'];
    return (await ask<Reply>(this._settings, path)).text;
  }

  async standard(machine: string): Promise<IStandardSnapshot[]> {
    type Reply = { snapshots: IStandardSnapshot[] };
    const path = ['machines', machine, 'standard'];
    return (await ask<Reply>(this._settings, path)).snapshots;
  }

  async takeStandard(machine: string, name: string): Promise<IJob> {
    return this._job(['machines', machine, 'standard'], 'POST', { name });
  }

  async revert(machine: string, name: string): Promise<IJob> {
    return this._job(['machines', machine, 'standard', name, 'revert'], 'POST');
  }

  async removeStandard(machine: string, name: string): Promise<IJob> {
    return this._job(['machines', machine, 'standard', name], 'DELETE');
  }

  async releases(): Promise<IOfferedRelease[]> {
    type Reply = { releases: IOfferedRelease[] };
    return (await this._get<Reply>('releases')).releases;
  }

  async environment(): Promise<IEnvironment> {
    return this._get('environment');
  }

  async hostShape(): Promise<IHostShape> {
    return this._get('shape');
  }

  async launcher(entry: string, asked: ILauncherRequest): Promise<ILauncher> {
    return this._ask(['entries', entry, 'launcher'], 'POST', asked);
  }

  async launches(): Promise<ILaunch[]> {
    type Reply = { launches: ILaunch[]; ended: ILaunch[] };
    const { launches, ended } = await this._get<Reply>('launches');
    return [...launches, ...ended];
  }

  async forgetLaunch(machine: string): Promise<void> {
    await this._ask(['launches', machine], 'DELETE');
  }

  async doctor(): Promise<IReport> {
    return this._get('doctor');
  }

  private _get<T>(noun: string): Promise<T> {
    return this._ask<T>([noun], 'GET');
  }

  private async _job(
    path: string[],
    method: string,
    body?: object
  ): Promise<IJob> {
    return (await this._ask<{ job: IJob }>(path, method, body)).job;
  }

  /**
   * A list, which comes over only if it is not as it was last time: ten thousand entries are megabytes.
   */
  private async _list<T>(
    noun: string,
    query: Record<string, string>
  ): Promise<T> {
    type Reply = { state: string; entries?: T };
    const key = JSON.stringify([noun, query]);
    const last = this._lists.get(key);
    const { state, entries = last?.entries as T } = await ask<Reply>(
      this._settings,
      [noun],
      { query: last ? { ...query, known: last.state } : query }
    );
    this._lists.set(key, { state, entries });
    return entries;
  }

  private _ask<T>(path: string[], method: string, body?: object): Promise<T> {
    return ask<T>(this._settings, path, { method, body });
  }

  private _lists = new Map<string, { state: string; entries: unknown }>();
  private _settings: ServerConnection.ISettings;
}

/**
 * Ask the server, and return what it answers.
 *
 * @param path - Below `vml/api`, not encoded yet.
 * @param options.query - What is asked for exactly.
 * @param options.signal - Ends the question.
 */
export async function ask<T>(
  settings: ServerConnection.ISettings,
  path: string[],
  options: {
    method?: string;
    body?: object;
    query?: Record<string, string>;
    signal?: AbortSignal;
  } = {}
): Promise<T> {
  const { method = 'GET', body, query, signal } = options;
  const url =
    URLExt.join(
      settings.baseUrl,
      'vml/api',
      ...path.map(part => encodeURIComponent(part))
    ) + (query ? URLExt.objectToQueryString(query) : '');
  const init = {
    method,
    body: body ? JSON.stringify(body) : undefined,
    signal
  };
  let response: Response;
  try {
    response = await ServerConnection.makeRequest(url, init, settings);
  } catch {
    throw new Refusal({
      code: signal?.aborted ? 'aborted' : 'no-answer',
      message: 'The Jupyter server does not answer',
      hint: 'Check that it still runs, and the network'
    });
  }
  return decoded<T>(response);
}

/**
 * Return the body of a response, or throw what the server said instead.
 */
export async function decoded<T>(response: Response): Promise<T> {
  const text = await response.text();
  let said: unknown;
  try {
    said = JSON.parse(text);
  } catch {
    said = null;
  }
  if (response.ok && said !== null) {
    return said as T;
  }
  if (response.status === 404 && !(said && 'code' in (said as object))) {
    throw new Refusal({
      code: 'no-extension',
      message: 'This Jupyter server has no logbook',
      hint: 'Install vml_jupyter where the server runs, and restart it'
    });
  }
  throw new Refusal({
    message: `The Jupyter server answered ${response.status}`,
    ...((said as IFailure | null) ?? {})
  });
}
