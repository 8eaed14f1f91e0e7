/**
 * Where a page goes: into the middle of JupyterLab, and below what is in the middle of any other shell.
 *
 * The pages of Notebook 7 have room for one thing in the middle, and that is there already.
 */

import { ILabShell, JupyterFrontEnd } from '@jupyterlab/application';
import { Widget } from '@lumino/widgets';

export function place(
  app: JupyterFrontEnd,
  labShell: ILabShell | null,
  page: Widget
): void {
  if (!labShell) {
    page.addClass('vml-mod-below');
  }
  app.shell.add(page, labShell ? 'main' : 'down');
}
