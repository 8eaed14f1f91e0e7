/**
 * Where a page goes: into the middle of JupyterLab, and below what is in the middle of any other shell.
 *
 * The pages of Notebook 7 have room for one thing in the middle, and that is there already.
 */

import { ILabShell, JupyterFrontEnd } from '@jupyterlab/application';
import { SplitPanel, Widget } from '@lumino/widgets';

export function place(
  app: JupyterFrontEnd,
  labShell: ILabShell | null,
  page: Widget
): void {
  if (labShell) {
    app.shell.add(page, 'main');
    return;
  }
  app.shell.add(page, 'down');
  requestAnimationFrame(() => giveRoom(page));
}

/**
 * Give a page half of the window, once it is shown; by itself it gets the height of its tab.
 */
function giveRoom(page: Widget): void {
  for (let above = page.parent; above; above = above.parent) {
    if (above instanceof SplitPanel && above.orientation === 'vertical') {
      above.setRelativeSizes(above.widgets.map(() => 1));
      return;
    }
  }
}
