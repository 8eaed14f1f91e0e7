/**
 * A dialog with a form in it.
 */

import { Dialog } from '@jupyterlab/apputils';

/**
 * Lab's dialog takes every Enter for its own. In a text of several lines Enter is a new line, on a button or a
 * summary it presses that, and Ctrl+Enter is the answer everywhere.
 */
export class FormDialog<T> extends Dialog<T> {
  constructor(private _options: Partial<Dialog.IOptions<T>>) {
    super(_options);
  }

  handleEvent(event: Event): void {
    if (event.type === 'keydown') {
      const { key, ctrlKey, metaKey, target } = event as KeyboardEvent;
      if (key === 'Enter' && (ctrlKey || metaKey)) {
        event.preventDefault();
        event.stopPropagation();
        this.resolve((this._options.buttons?.length ?? 1) - 1);
        return;
      }
      const own = (target as HTMLElement).closest(
        '.jp-Dialog-body textarea, .jp-Dialog-body button, .jp-Dialog-body summary'
      );
      if (key === 'Enter' && own) {
        event.stopPropagation();
        return;
      }
    }
    super.handleEvent(event);
  }
}
