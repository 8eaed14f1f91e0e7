/**
 * How a notebook changed: the cells that are not as they were, their outputs side by side.
 */

import * as React from 'react';

import { CodeView, Lazy, MimeView, OutputsView } from './content-views';
import { HunksView } from './hunks-view';
import { IPageContext } from './page-context';
import { FileChange, ICell, ICellPair } from './page-records';

const CELL_PX = 160;

type NotebookChange = Extract<FileChange, { kind: 'notebook' }>;

export function NotebookChanges(props: {
  change: NotebookChange;
  context: IPageContext;
}): JSX.Element {
  const { change, context } = props;
  const { trans } = context;
  if (!change.pairs.length) {
    return (
      <p className="vml-Hint">
        {change.metadata
          ? trans.__('All cells are as they were; the metadata changed.')
          : trans.__('All cells are as they were.')}
      </p>
    );
  }
  let passed = 0;
  return (
    <div className="vml-CellChanges" data-testid="vml-cell-changes">
      {change.pairs.map((pair, index) => {
        const at = pair.after_number ?? pair.before_number ?? 0;
        const same = pair.kind === 'removed' ? 0 : at - passed;
        passed = pair.kind === 'removed' ? passed : at + 1;
        return (
          <React.Fragment key={index}>
            {same > 0 && <Unchanged count={same} context={context} />}
            <Lazy height={CELL_PX}>
              {() => (
                <PairView
                  pair={pair}
                  language={change.language}
                  context={context}
                />
              )}
            </Lazy>
          </React.Fragment>
        );
      })}
      {change.cells[1] > passed && (
        <Unchanged count={change.cells[1] - passed} context={context} />
      )}
    </div>
  );
}

function Unchanged(props: {
  count: number;
  context: IPageContext;
}): JSX.Element {
  return (
    <p className="vml-Hint vml-Unchanged">
      {props.context.trans._n(
        '%1 cell unchanged',
        '%1 cells unchanged',
        props.count
      )}
    </p>
  );
}

function PairView(props: {
  pair: ICellPair;
  language: string;
  context: IPageContext;
}): JSX.Element {
  const { pair, language, context } = props;
  const { trans } = context;
  const number = (pair.after_number ?? pair.before_number ?? 0) + 1;
  const titles = {
    added: trans.__('Cell %1, added', number),
    removed: trans.__('Cell %1, removed', number),
    changed: trans.__('Cell %1, changed', number)
  };
  const cell = pair.after ?? pair.before;
  return (
    <section
      className={`vml-Pair vml-mod-${pair.kind}`}
      data-testid="vml-cell-change"
      aria-label={titles[pair.kind]}
    >
      <h4>{titles[pair.kind]}</h4>
      {pair.source?.length ? (
        <HunksView hunks={pair.source} numbered={false} trans={trans} />
      ) : (
        cell && <Source cell={cell} language={language} context={context} />
      )}
      <Outputs pair={pair} context={context} />
    </section>
  );
}

function Source(props: {
  cell: ICell;
  language: string;
  context: IPageContext;
}): JSX.Element {
  const { cell, context } = props;
  return cell.type === 'markdown' ? (
    <MimeView
      rendermime={context.rendermime}
      mime="text/markdown"
      text={cell.source}
    />
  ) : (
    <CodeView
      languages={context.languages}
      code={cell.source}
      language={cell.type === 'code' ? props.language : ''}
    />
  );
}

function Outputs(props: {
  pair: ICellPair;
  context: IPageContext;
}): JSX.Element | null {
  const { pair, context } = props;
  const { rendermime, trans } = context;
  const sides: [string, ICell | undefined][] = [
    [trans.__('Before'), pair.before],
    [trans.__('After'), pair.after]
  ];
  if (pair.kind === 'changed' && !pair.what?.includes('outputs')) {
    return null;
  }
  if (!sides.some(([, cell]) => cell?.outputs?.length)) {
    return null;
  }
  const shown = sides.filter(([, cell]) => cell);
  return (
    <div className="vml-Sides">
      {shown.map(([label, cell]) => (
        <div key={label} className="vml-Side">
          {shown.length > 1 && <h5>{label}</h5>}
          {cell?.outputs?.length ? (
            <OutputsView
              outputs={cell.outputs}
              rendermime={rendermime}
              trans={trans}
            />
          ) : (
            <p className="vml-Hint">{trans.__('no output')}</p>
          )}
        </div>
      ))}
    </div>
  );
}
