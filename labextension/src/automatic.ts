/**
 * Automatic entries: when a notebook is saved, at most every so many minutes, and only if something changed.
 */

import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { IApi } from './api';

export class AutomaticEntries {
  /**
   * @param minutes - The least time between two entries of a notebook; 0 is never.
   * @param pathOf - The path on the server's disk; throws where there is none.
   */
  constructor(
    tracker: INotebookTracker,
    private _api: Pick<IApi, 'snapshot'>,
    private _minutes: () => number,
    private _pathOf: (path: string) => string
  ) {
    tracker.forEach(panel => this._watch(panel));
    tracker.widgetAdded.connect((_, panel) => this._watch(panel));
  }

  /**
   * Take one if it is time; what is wrong is told by the job, or by the next snapshot that somebody asks for.
   */
  async saved(path: string, cell: string, now = Date.now()): Promise<void> {
    const minutes = this._minutes();
    const last = this._taken.get(path) ?? -Infinity;
    if (minutes <= 0 || now - last < minutes * 60_000) {
      return;
    }
    this._taken.set(path, now);
    try {
      await this._api.snapshot({
        path: this._pathOf(path),
        cell,
        title: '',
        note: '',
        release: '',
        tags: [],
        leave_out: [],
        automatic: true
      });
    } catch {
      this._taken.set(path, last); // the next time it is saved is another chance
    }
  }

  private _watch(panel: NotebookPanel): void {
    panel.context.saveState.connect((_, state) => {
      if (state === 'completed') {
        const cell = panel.content.activeCell?.model.id ?? '';
        void this.saved(panel.context.path, cell);
      }
    });
  }

  private _taken = new Map<string, number>();
}
