/**
 * What every part of an entry page may use.
 */

import { IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { failure, LogbookModel } from './model';
import { PageApi } from './page-api';
import { IFailure } from './records';

export interface IPageContext {
  model: LogbookModel;
  page: PageApi;
  rendermime: IRenderMimeRegistry;
  languages: IEditorLanguageRegistry | null;
  commands: CommandRegistry;
  trans: TranslationBundle;
}

/** What was asked of the server: not answered yet, answered, or refused. */
export interface IAnswer<T> {
  value: T | null;
  refused: IFailure | null;
}

/**
 * Ask the server whenever `keys` change; the question before is ended then.
 */
export function useAnswer<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  keys: React.DependencyList
): IAnswer<T> {
  const [answer, setAnswer] = React.useState<IAnswer<T>>({
    value: null,
    refused: null
  });
  React.useEffect(() => {
    const ending = new AbortController();
    setAnswer({ value: null, refused: null });
    ask(ending.signal).then(
      value => ending.signal.aborted || setAnswer({ value, refused: null }),
      reason =>
        ending.signal.aborted ||
        setAnswer({ value: null, refused: failure(reason) })
    );
    return () => ending.abort();
  }, keys);
  return answer;
}
