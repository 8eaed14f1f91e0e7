/**
 * A notebook of an entry, to be read: nothing in it can be run or changed.
 */

import * as React from 'react';

import { CodeView, Lazy, MimeView, OutputsView } from './content-views';
import { IPageContext } from './page-context';
import { ICell } from './page-records';

const LINE_PX = 18;
const MOST_LINES = 30;

export function NotebookView(props: {
  cells: ICell[];
  language: string;
  context: IPageContext;
}): JSX.Element {
  return (
    <div className="vml-Notebook" data-testid="vml-notebook">
      {props.cells.map((cell, index) => (
        <Lazy key={index} height={likelyHeight(cell)}>
          {() => (
            <CellView
              cell={cell}
              language={props.language}
              context={props.context}
            />
          )}
        </Lazy>
      ))}
    </div>
  );
}

export function CellView(props: {
  cell: ICell;
  language: string;
  context: IPageContext;
}): JSX.Element {
  const { cell, context } = props;
  const { rendermime, languages, trans } = context;
  if (cell.type === 'markdown') {
    return (
      <div className="vml-Cell">
        <span className="vml-Prompt" />
        <MimeView
          rendermime={rendermime}
          mime="text/markdown"
          text={cell.source}
        />
      </div>
    );
  }
  const language = cell.type === 'code' ? props.language : '';
  return (
    <div className="vml-Cell">
      <span className="vml-Prompt">
        {cell.type === 'code' ? `[${cell.execution_count ?? ' '}]:` : ''}
      </span>
      <CodeView languages={languages} code={cell.source} language={language} />
      {!!cell.outputs?.length && (
        <>
          <span className="vml-Prompt" />
          <OutputsView
            outputs={cell.outputs}
            rendermime={rendermime}
            trans={trans}
          />
        </>
      )}
    </div>
  );
}

function likelyHeight(cell: ICell): number {
  const lines = Math.min(MOST_LINES, cell.source.split('\n').length + 1);
  return lines * LINE_PX + (cell.outputs?.length ?? 0) * 100;
}
