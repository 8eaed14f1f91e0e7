/**
 * Entries that somebody else removed while they were still listed here.
 */

import { TranslationBundle } from '@jupyterlab/translation';

import { Refusal } from './api';
import { showFailure } from './failures';
import { LogbookModel } from './model';
import { IEntry } from './records';

/**
 * The entry with this id, undefined where it is not in the logbook any more; taken lately, it may not be listed yet.
 */
export async function known(
  model: LogbookModel,
  id: string
): Promise<IEntry | undefined> {
  const listed = () => model.entries?.find(entry => entry.id === id);
  if (!listed()) {
    await model.refresh();
  }
  return listed();
}

/**
 * Say that it is gone.
 */
export function vanished(
  title: string,
  id: string,
  trans: TranslationBundle
): Promise<void> {
  const gone = new Refusal({
    code: 'not-found',
    message: trans.__('The entry %1 is not in the logbook any more', id),
    hint: trans.__(
      'Look into the bin; the list has been brought up to date meanwhile'
    )
  });
  return showFailure(title, gone, trans);
}
