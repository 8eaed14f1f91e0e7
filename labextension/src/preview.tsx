/**
 * What a snapshot would hold and cost, asked for while its form is filled in.
 */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { bytes } from './format';
import { failure } from './model';
import { IPreview } from './page-records';
import { IFailure } from './records';

export function PreviewView(props: {
  /** Asks the server; ended by the signal. */
  ask: (signal: AbortSignal) => Promise<IPreview>;
  trans: TranslationBundle;
}): JSX.Element {
  const { ask, trans } = props;
  const [found, setFound] = React.useState<IPreview | null>(null);
  const [refused, setRefused] = React.useState<IFailure | null>(null);
  React.useEffect(() => {
    const ending = new AbortController();
    ask(ending.signal).then(setFound, reason => {
      if (!ending.signal.aborted) {
        setRefused(failure(reason));
      }
    });
    return () => ending.abort();
  }, [ask]);

  return (
    <div
      className="vml-Preview"
      data-testid="vml-preview"
      data-state={found ? 'ready' : refused ? 'refused' : 'looking'}
      aria-live="polite"
      aria-busy={!found && !refused}
    >
      {found ? (
        <Found found={found} trans={trans} />
      ) : refused ? (
        <span>
          {refused.message}
          {refused.hint && `. ${refused.hint}`}
        </span>
      ) : (
        <>
          <span>{trans.__('Looking at what will be captured…')}</span>
          <progress className="vml-Progress" aria-hidden="true" />
        </>
      )}
    </div>
  );
}

function Found(props: {
  found: IPreview;
  trans: TranslationBundle;
}): JSX.Element {
  const { found, trans } = props;
  const ignored = found.ignored.reduce((sum, rule) => sum + rule.count, 0);
  const said = [
    ...found.unreadable.map(name => trans.__('%1 cannot be read', name)),
    ...found.notes
  ];
  return (
    <>
      <dl className="vml-Facts">
        <div>
          <dt>{trans.__('Files')}</dt>
          <dd data-testid="vml-preview-files">{found.files}</dd>
        </div>
        <div>
          <dt>{trans.__('Size')}</dt>
          <dd>{bytes(found.bytes)}</dd>
        </div>
        <div>
          <dt>{trans.__('New in the logbook')}</dt>
          <dd data-testid="vml-preview-new">{bytes(found.new_bytes)}</dd>
        </div>
      </dl>
      {said.length > 0 && (
        <ul className="vml-Preview-said">
          {said.slice(0, 5).map(text => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      )}
      {found.largest.length > 0 && (
        <details>
          <summary>{trans.__('Largest files')}</summary>
          <Table
            rows={found.largest.map(file => [file.path, bytes(file.bytes)])}
          />
        </details>
      )}
      {ignored > 0 && (
        <details>
          <summary>{trans.__('Left out (%1)', ignored)}</summary>
          <Table
            rows={found.ignored.map(rule => [
              rule.file ? `${rule.pattern} (${rule.file})` : rule.pattern,
              `${rule.count}`
            ])}
          />
        </details>
      )}
    </>
  );
}

function Table(props: { rows: [string, string][] }): JSX.Element {
  return (
    <table className="vml-Preview-table">
      <tbody>
        {props.rows.map(([name, value]) => (
          <tr key={name}>
            <td title={name}>{name}</td>
            <td>{value}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
