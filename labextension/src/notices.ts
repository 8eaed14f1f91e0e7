/**
 * Jobs as notifications: one per job, from its first stage to what came of it.
 */

import { Notification } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';

import { showFailure } from './failures';
import {
  amount,
  bytes,
  fraction,
  jobTitle,
  remainingText,
  seconds,
  subject
} from './format';
import { LogbookModel } from './model';
import { IJob, IRelease } from './records';
import { retryOf } from './retry';
import * as toasts from './toasts';
import { CommandIDs } from './tokens';

const TOLD_MS = 10_000;
// The others take moments, and their machine shows the change itself.
const TOLD = ['snapshot', 'capture', 'restore', 'files', 'export'];

export class Notices {
  /**
   * @param openWhenReady - Whether a restored notebook is to be opened without being asked for.
   */
  constructor(
    private _model: LogbookModel,
    private _commands: CommandRegistry,
    private _trans: TranslationBundle,
    private _openWhenReady: () => boolean
  ) {
    _model.jobChanged.connect((_, job) => this._progressed(job));
    _model.jobEnded.connect((_, job) => this._ended(job));
  }

  private _progressed(job: IJob): void {
    if (!TOLD.includes(job.kind)) {
      return;
    }
    const stage = job.stages[job.stages.length - 1];
    const far = stage ? amount(stage, this._trans) : '';
    const left = remainingText(job, this._trans);
    const how = [far, left].filter(Boolean).join(', ');
    const doing = stage
      ? `${stage.title}${how ? ` (${how})` : ''}`
      : this._trans.__('waiting for its turn');
    this._tell(job, `${this._title(job)}: ${doing}`, 'in-progress', {
      autoClose: false,
      progress: fraction(stage) ?? undefined,
      actions: [
        {
          label: this._trans.__('Cancel'),
          callback: event => {
            event.preventDefault();
            void this._commands.execute(CommandIDs.endJob, { job: job.id });
          }
        }
      ]
    });
  }

  private _ended(job: IJob): void {
    switch (job.state) {
      case 'done':
        return this._done(job);
      case 'failed':
        return this._failed(job);
      default:
        this._tell(
          job,
          this._trans.__('%1: cancelled', this._title(job)),
          'info',
          { autoClose: TOLD_MS, progress: undefined, actions: [] }
        );
    }
  }

  private _done(job: IJob): void {
    const trans = this._trans;
    const result = job.result ?? {};
    const release = result.release as IRelease | null;
    if (job.kind === 'snapshot' || job.kind === 'capture') {
      const entry = result.entry as string;
      const size = trans.__(
        '%1, %2 new',
        bytes(result.bytes as number),
        bytes(result.new_bytes as number)
      );
      const what = [size, release?.label].filter(Boolean).join(', ');
      this._tell(
        job,
        trans.__('“%1” is in the logbook (%2)', result.title as string, what),
        'success',
        {
          autoClose: TOLD_MS,
          actions: [
            this._action(trans.__('Show'), CommandIDs.openEntry, { entry }),
            this._action(trans.__('Undo'), CommandIDs.forget, { entry })
          ]
        }
      );
    } else if (job.kind === 'restore') {
      const machine = result.machine as string;
      const took = Object.values(result.seconds as Record<string, number>);
      const what = [
        (result.label as string) || release?.label,
        seconds(took.reduce((sum, value) => sum + value, 0)),
        result.warm ? trans.__('from its warm state') : ''
      ];
      this._tell(
        job,
        trans.__(
          '“%1” is ready (%2)',
          subject(job, this._model.entries ?? [], []),
          what.filter(Boolean).join(', ')
        ),
        'success',
        {
          autoClose: false,
          actions: [
            this._action(trans.__('Open'), CommandIDs.open, { machine }, true)
          ]
        }
      );
      // Every page of the user hears of it; one of them is to open it.
      if (this._model.isOwn(job) && this._openWhenReady()) {
        void this._commands.execute(CommandIDs.open, { machine });
      }
    } else if (job.kind === 'files') {
      const path = result.path as string;
      const kept = result.kept as string;
      this._tell(
        job,
        kept
          ? trans.__(
              'The files are in “%1”. What was there is in the logbook, and in “%2”.',
              path,
              kept
            )
          : trans.__('The files are in “%1”.', path),
        'success',
        {
          autoClose: kept ? false : TOLD_MS,
          actions: this._showing(path)
        }
      );
    } else if (job.kind === 'export') {
      const path = result.path as string;
      const out = result.left_out as string[];
      const size = bytes(result.bytes as number);
      this._tell(
        job,
        out.length
          ? trans._n(
              'The entry is in “%2” (%3). One file was left out: %4.',
              'The entry is in “%2” (%3). %1 files were left out: %4.',
              out.length,
              path,
              size,
              out.slice(0, 3).join(', ')
            )
          : trans.__('The entry is in “%1” (%2).', path, size),
        'success',
        {
          autoClose: false,
          actions: this._showing(path)
        }
      );
    }
  }

  private _failed(job: IJob): void {
    const { message, hint } = job.error ?? { message: '', hint: '' };
    const said = [message, hint].filter(Boolean).join('. ');
    const title = this._title(job);
    const retry = retryOf(job, this._trans);
    const choose = retry
      ? [this._action(retry.label, retry.command, retry.args, true)]
      : [];
    this._tell(job, `${title}: ${said}`, 'error', {
      autoClose: false,
      actions: [
        ...choose,
        {
          label: this._trans.__('Details'),
          callback: () => void showFailure(title, job.error, this._trans)
        }
      ]
    });
  }

  private _title(job: IJob): string {
    const { entries, machines } = this._model;
    const name = subject(job, entries ?? [], machines ?? []);
    return jobTitle(job, name, this._trans);
  }

  /** Notebook 7 shows files elsewhere than notebooks. */
  private _showing(path: string): Notification.IAction[] {
    const command = 'filebrowser:go-to-path';
    return this._commands.hasCommand(command)
      ? [this._action(this._trans.__('Show'), command, { path })]
      : [];
  }

  private _action(
    label: string,
    command: string,
    args: Record<string, string>,
    accent = false
  ): Notification.IAction {
    return {
      label,
      displayType: accent ? 'accent' : 'default',
      callback: () => void this._commands.execute(command, args)
    };
  }

  private _tell(
    job: IJob,
    message: string,
    type: Notification.TypeOptions,
    options: Notification.IOptions<never>
  ): void {
    const known = this._shown.get(job.id);
    if (known && toasts.isThere(known)) {
      toasts.update({
        id: known,
        message,
        type,
        progress: undefined,
        ...options
      });
    } else if (!known || type !== 'in-progress') {
      // A notification that the user dismissed comes back only with the outcome.
      this._shown.set(job.id, toasts.emit(message, type, options));
    }
  }

  private _shown = new Map<string, string>();
}
