/**
 * One file of an entry, to be read without restoring anything.
 */

import * as React from 'react';

import { CodeView, ImageView } from './content-views';
import { FailureView } from './failures';
import { bytes } from './format';
import { NotebookView } from './notebook-view';
import { IPageContext, useAnswer } from './page-context';
import { Shown } from './page-records';

export function FileView(props: {
  entry: string;
  path: string;
  size: number;
  context: IPageContext;
}): JSX.Element {
  const { entry, path, context } = props;
  const { page, trans } = context;
  const { value, refused } = useAnswer(
    signal => page.file(entry, path, signal),
    [entry, path]
  );
  return (
    <section className="vml-File" aria-label={path} data-testid="vml-file">
      <header className="vml-File-head">
        <strong>{path}</strong>
        <span>{bytes(props.size)}</span>
        <span className="vml-Hint">{trans.__('read-only')}</span>
      </header>
      <div className="vml-File-body" tabIndex={0}>
        {refused ? (
          <FailureView failure={refused} trans={trans} />
        ) : value ? (
          <ShownView shown={value} path={path} context={context} />
        ) : (
          <p className="vml-Empty">{trans.__('Reading…')}</p>
        )}
      </div>
    </section>
  );
}

function ShownView(props: {
  shown: Shown;
  path: string;
  context: IPageContext;
}): JSX.Element {
  const { shown, path, context } = props;
  const { languages, trans } = context;
  switch (shown.kind) {
    case 'notebook':
      return <NotebookView {...shown} context={context} />;
    case 'image':
      return <ImageView mime={shown.mime} data={shown.data} label={path} />;
    case 'text':
      return (
        <>
          <CodeView
            languages={languages}
            code={shown.text}
            language={languageOf(path, context)}
          />
          {shown.cut && (
            <p className="vml-Hint">
              {trans.__('The file is longer; this is its beginning.')}
            </p>
          )}
        </>
      );
    case 'opaque':
      return <p className="vml-Empty">{shown.why}</p>;
  }
}

/**
 * The name of the language that a file's name speaks for.
 */
export function languageOf(path: string, context: IPageContext): string {
  return context.languages?.findByFileName(path)?.name ?? '';
}
