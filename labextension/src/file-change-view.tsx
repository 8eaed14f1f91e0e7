/**
 * What changed in one file; asked for when it is opened.
 */

import * as React from 'react';

import { ImageView } from './content-views';
import { FailureView } from './failures';
import { bytes } from './format';
import { HunksView } from './hunks-view';
import { NotebookChanges } from './notebook-changes';
import { IPageContext, useAnswer } from './page-context';
import { FileChange, IImage, Other } from './page-records';

export function FileChangeView(props: {
  before: string;
  other: Other;
  path: string;
  context: IPageContext;
}): JSX.Element {
  const { before, other, path, context } = props;
  const { page, trans } = context;
  const { value, refused } = useAnswer(
    signal => page.fileChange(before, other, path, signal),
    [before, JSON.stringify(other), path]
  );
  if (refused) {
    return <FailureView failure={refused} trans={trans} />;
  }
  return value ? (
    <Change change={value} context={context} />
  ) : (
    <p className="vml-Hint">{trans.__('Comparing…')}</p>
  );
}

function Change(props: {
  change: FileChange;
  context: IPageContext;
}): JSX.Element {
  const { change, context } = props;
  const { trans } = context;
  switch (change.kind) {
    case 'notebook':
      return <NotebookChanges change={change} context={context} />;
    case 'text':
      return change.hunks.length ? (
        <HunksView hunks={change.hunks} numbered={true} trans={trans} />
      ) : (
        <p className="vml-Hint">{trans.__('Its text is as it was.')}</p>
      );
    case 'image':
      return (
        <div className="vml-Sides">
          <Picture
            image={change.before}
            label={trans.__('Before')}
            context={context}
          />
          <Picture
            image={change.after}
            label={trans.__('After')}
            context={context}
          />
        </div>
      );
    case 'opaque':
      return <p className="vml-Hint">{change.why}</p>;
  }
}

function Picture(props: {
  image: IImage | null;
  label: string;
  context: IPageContext;
}): JSX.Element {
  const { image, label, context } = props;
  return (
    <div className="vml-Side">
      <h5>{label}</h5>
      {image ? (
        <>
          <ImageView mime={image.mime} data={image.data} label={label} />
          <p className="vml-Hint">{bytes(image.bytes)}</p>
        </>
      ) : (
        <p className="vml-Hint">{context.trans.__('not there')}</p>
      )}
    </div>
  );
}
