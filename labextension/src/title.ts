/**
 * A title for a snapshot that says what changed since the one before.
 */

import { TranslationBundle } from '@jupyterlab/translation';

import { PageApi } from './page-api';
import { IFileLine } from './page-records';

const NAMED = 2;

/**
 * 'Higgs fit', what changed since the parent -> 'Higgs fit: 2 cells, fit.py and 3 more changed'.
 *
 * @returns The heading alone where nothing changed, or the server does not tell.
 */
export async function titleWithChanges(
  page: PageApi,
  heading: string,
  parent: string,
  path: string,
  trans: TranslationBundle,
  signal: AbortSignal
): Promise<string> {
  const notebook = path.endsWith('.ipynb') ? (path.split('/').pop() ?? '') : '';
  const changes = await page.changes(parent, { path }, signal);
  let cells = 0;
  if (changes.files.some(file => file.path === notebook)) {
    const change = await page.fileChange(parent, { path }, notebook, signal);
    cells = change.kind === 'notebook' ? change.pairs.length : 0;
  }
  const said = changed(changes.files, notebook, cells, trans);
  return said ? `${heading}: ${said}` : heading;
}

/**
 * The files that changed, in a few words.
 *
 * @param cells - How many cells of the notebook did.
 */
export function changed(
  files: ReadonlyArray<IFileLine>,
  notebook: string,
  cells: number,
  trans: TranslationBundle
): string {
  const others = files.filter(file => file.path !== notebook);
  const names = others
    .slice(0, NAMED)
    .map(file => file.path.split('/').pop() ?? file.path);
  const more = others.length - names.length;
  const parts = [
    ...(cells ? [trans._n('%1 cell', '%1 cells', cells)] : []),
    ...names,
    ...(more > 0 ? [trans._n('%1 more file', '%1 more files', more)] : [])
  ];
  return parts.length ? trans.__('%1 changed', parts.join(', ')) : '';
}
