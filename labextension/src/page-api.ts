/**
 * The part of the server's API that looks into entries. Every question can be ended by a signal.
 */

import { ServerConnection } from '@jupyterlab/services';

import { ask } from './api';
import {
  FileChange,
  IChanges,
  IDetails,
  IExportRequest,
  IImage,
  IListing,
  IPreview,
  ISecrets,
  ISetting,
  ISettings,
  Other,
  Shown
} from './page-records';
import { IJob } from './records';

export class PageApi {
  constructor(private _settings: ServerConnection.ISettings) {}

  preview(path: string, signal?: AbortSignal): Promise<IPreview> {
    return this._get(['preview'], { path }, signal);
  }

  secrets(path: string, signal?: AbortSignal): Promise<ISecrets> {
    return this._get(['secrets'], { path }, signal);
  }

  entrySecrets(entry: string, signal?: AbortSignal): Promise<ISecrets> {
    return this._get(['entries', entry, 'secrets'], {}, signal);
  }

  async exportEntry(entry: string, asked: IExportRequest): Promise<IJob> {
    const reply = await ask<{ job: IJob }>(
      this._settings,
      ['entries', entry, 'export'],
      { method: 'POST', body: asked }
    );
    return reply.job;
  }

  settings(signal?: AbortSignal): Promise<ISettings> {
    return this._get(['settings'], {}, signal);
  }

  /**
   * Write a setting into the user's configuration, or take it out where `text` is null.
   */
  changeSetting(name: string, text: string | null): Promise<ISetting> {
    const options =
      text === null ? { method: 'DELETE' } : { method: 'PUT', body: { text } };
    return ask<ISetting>(this._settings, ['settings', name], options);
  }

  /**
   * Make a folder with the example below `to`; gives the path of its notebook.
   */
  async layExample(to: string): Promise<string> {
    const options = { method: 'POST', body: { to } };
    type Reply = { path: string };
    return (await ask<Reply>(this._settings, ['example'], options)).path;
  }

  async thumbnail(entry: string, signal?: AbortSignal): Promise<IImage | null> {
    type Reply = { image: IImage | null };
    const path = ['entries', entry, 'thumbnail'];
    return (await this._get<Reply>(path, {}, signal)).image;
  }

  details(entry: string, signal?: AbortSignal): Promise<IDetails> {
    return this._get(['entries', entry, 'details'], {}, signal);
  }

  folder(entry: string, path: string, signal?: AbortSignal): Promise<IListing> {
    return this._get(['entries', entry, 'folder'], { path }, signal);
  }

  file(entry: string, path: string, signal?: AbortSignal): Promise<Shown> {
    return this._get(['entries', entry, 'file'], { path }, signal);
  }

  changes(
    entry: string,
    other: Other,
    signal?: AbortSignal
  ): Promise<IChanges> {
    return this._get(['entries', entry, 'changes'], other, signal);
  }

  fileChange(
    entry: string,
    other: Other,
    file: string,
    signal?: AbortSignal
  ): Promise<FileChange> {
    return this._get(
      ['entries', entry, 'file-change'],
      { ...other, file },
      signal
    );
  }

  /**
   * @param keep - Whether a folder that is there may be captured and moved aside.
   */
  async restoreFiles(entry: string, to: string, keep: boolean): Promise<IJob> {
    const reply = await ask<{ job: IJob }>(
      this._settings,
      ['entries', entry, 'restore-files'],
      { method: 'POST', body: { to, keep } }
    );
    return reply.job;
  }

  private _get<T>(
    path: string[],
    query: Record<string, string>,
    signal?: AbortSignal
  ): Promise<T> {
    return ask<T>(this._settings, path, { query, signal });
  }
}
