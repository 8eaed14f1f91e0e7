/**
 * Changed lines of a text, one above the other.
 */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { ILine, linesOf } from './hunks';
import { IHunk } from './page-records';

const MOST_LINES = 1_000;
const LONGEST_LINE = 5_000;

export function HunksView(props: {
  hunks: IHunk[];
  numbered: boolean;
  trans: TranslationBundle;
}): JSX.Element {
  const { hunks, trans } = props;
  const [all, setAll] = React.useState(false);
  const total = hunks.reduce((sum, hunk) => sum + hunk.lines.length, 0);
  let left = all ? total : MOST_LINES;
  return (
    <div className="vml-Diff" data-testid="vml-diff">
      <table>
        {hunks.map((hunk, index) => {
          const lines = left > 0 ? linesOf(hunk).slice(0, left) : [];
          left -= lines.length;
          return (
            <tbody key={index}>
              {lines.map((line, row) => (
                <Line
                  key={row}
                  line={line}
                  numbered={props.numbered}
                  trans={trans}
                />
              ))}
            </tbody>
          );
        })}
      </table>
      {!all && total > MOST_LINES && (
        <button
          className="jp-Button jp-mod-minimal vml-TextButton"
          onClick={() => setAll(true)}
        >
          {trans.__('Show all %1 lines', total)}
        </button>
      )}
    </div>
  );
}

function Line(props: {
  line: ILine;
  numbered: boolean;
  trans: TranslationBundle;
}): JSX.Element {
  const { line, trans } = props;
  const kinds = { ' ': 'same', '-': 'removed', '+': 'added' };
  const [head, changed, tail] = line.parts.map(part =>
    part.slice(0, LONGEST_LINE)
  );
  const said =
    line.sign === '-'
      ? trans.__('removed')
      : line.sign === '+'
        ? trans.__('added')
        : undefined;
  return (
    <tr className={`vml-mod-${kinds[line.sign]}`}>
      {props.numbered && (
        <>
          <td className="vml-Diff-number">{line.before}</td>
          <td className="vml-Diff-number">{line.after}</td>
        </>
      )}
      <td className="vml-Diff-sign">
        {said && <span className="vml-Unseen">{said}</span>}
        <span aria-hidden="true">{line.sign}</span>
      </td>
      <td className="vml-Diff-text">
        {head}
        {changed && <mark>{changed}</mark>}
        {tail}
      </td>
    </tr>
  );
}
