/**
 * What changed between an entry and its parent, another entry, or the working area as it is now.
 */

import { HTMLSelect } from '@jupyterlab/ui-components';
import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { FailureView } from './failures';
import { FileChangeView } from './file-change-view';
import { bytes } from './format';
import { IPageContext, useAnswer } from './page-context';
import { IChanges, IDetails, IFileLine, Other } from './page-records';
import { IEntry } from './records';

const MOST_OFFERED = 200;

export interface IComparison {
  before: string;
  other: Other;
}

/**
 * Return what is compared with what: always the earlier with the later.
 *
 * @param choice - 'parent', 'now', or the id of an entry.
 */
export function comparison(
  details: IDetails,
  choice: string,
  entries: ReadonlyArray<IEntry>
): IComparison | null {
  const { entry, parent, here } = details;
  if (choice === 'now') {
    return here === null ? null : { before: entry.id, other: { path: here } };
  }
  const other =
    choice === 'parent' ? parent : entries.find(one => one.id === choice);
  if (!other) {
    return null;
  }
  return other.time <= entry.time
    ? { before: other.id, other: { after: entry.id } }
    : { before: entry.id, other: { after: other.id } };
}

export function CompareView(props: {
  details: IDetails;
  context: IPageContext;
}): JSX.Element {
  const { details, context } = props;
  const { model, trans } = context;
  const entries = model.entries ?? [];
  const [choice, setChoice] = React.useState(
    details.parent ? 'parent' : details.here !== null ? 'now' : ''
  );
  const compared = comparison(details, choice, entries);
  return (
    <div className="vml-Compare">
      <label className="vml-Compare-with">
        <span>{trans.__('Compare with')}</span>
        <HTMLSelect
          value={choice}
          data-testid="vml-compare-with"
          onChange={event => setChoice(event.target.value)}
        >
          {!choice && <option value="">{trans.__('Choose…')}</option>}
          {details.parent && (
            <option value="parent">
              {trans.__('The one it continues: %1', details.parent.title)}
            </option>
          )}
          {details.here !== null && (
            <option value="now">
              {trans.__('The folder as it is now: %1', details.here || '/')}
            </option>
          )}
          <Others details={details} entries={entries} context={context} />
        </HTMLSelect>
      </label>
      {compared ? (
        <Compared
          key={choice}
          {...compared}
          notebook={details.entry.notebook}
          context={context}
        />
      ) : (
        <p className="vml-Empty">
          {trans.__('This is the first entry of its folder.')}
        </p>
      )}
    </div>
  );
}

function Others(props: {
  details: IDetails;
  entries: ReadonlyArray<IEntry>;
  context: IPageContext;
}): JSX.Element {
  const { details, entries, context } = props;
  const others = entries.filter(one => one.id !== details.entry.id);
  const near = others.filter(one => one.area === details.entry.area);
  const far = others.filter(one => one.area !== details.entry.area);
  const option = (one: IEntry) => (
    <option key={one.id} value={one.id}>
      {`${new Date(one.time).toLocaleString()}  ${one.title}`}
    </option>
  );
  return (
    <>
      {near.length > 0 && (
        <optgroup label={context.trans.__('Other entries of this folder')}>
          {near.slice(0, MOST_OFFERED).map(option)}
        </optgroup>
      )}
      {far.length > 0 && (
        <optgroup label={context.trans.__('Entries of other folders')}>
          {far.slice(0, MOST_OFFERED).map(option)}
        </optgroup>
      )}
    </>
  );
}

function Compared(props: {
  before: string;
  other: Other;
  notebook: string;
  context: IPageContext;
}): JSX.Element {
  const { before, other, context } = props;
  const { page, trans } = context;
  const { value, refused } = useAnswer(
    signal => page.changes(before, other, signal),
    [before, JSON.stringify(other)]
  );
  if (refused) {
    return <FailureView failure={refused} trans={trans} />;
  }
  if (!value) {
    return <p className="vml-Empty">{trans.__('Comparing…')}</p>;
  }
  const files = value.files.filter(
    file => (file.after ?? file.before)?.type !== 'dir'
  );
  return (
    <div data-testid="vml-changes">
      <p className="vml-Counts">
        <Counts changes={value} context={context} />
      </p>
      <ul className="vml-Changes" aria-label={trans.__('Changed files')}>
        {files.map(file => (
          <ChangedFile
            key={file.path}
            file={file}
            open={file.path === props.notebook}
            before={before}
            other={other}
            context={context}
          />
        ))}
      </ul>
      {value.total > value.files.length && (
        <p className="vml-Hint">
          {trans.__(
            'The first %1 of %2 changes are shown.',
            value.files.length,
            value.total
          )}
        </p>
      )}
      {value.unreadable.map(name => (
        <p key={name} className="vml-Hint">
          {trans.__('%1 cannot be read', name)}
        </p>
      ))}
      <EnvironmentChanges changes={value} context={context} />
    </div>
  );
}

function Counts(props: {
  changes: IChanges;
  context: IPageContext;
}): JSX.Element {
  const { trans } = props.context;
  const names: [string, string][] = [
    ['changed', trans.__('changed')],
    ['added', trans.__('added')],
    ['removed', trans.__('removed')]
  ];
  const told = names.filter(([kind]) => props.changes.counts[kind]?.files);
  if (!told.length) {
    return <>{trans.__('All files are as they were.')}</>;
  }
  return (
    <>
      {told.map(([kind, name]) => {
        const { files, bytes: size } = props.changes.counts[kind];
        return (
          <span key={kind} className={`vml-Count vml-mod-${kind}`}>
            {`${files} ${name}`}
            <small>{bytes(size)}</small>
          </span>
        );
      })}
    </>
  );
}

function ChangedFile(props: {
  file: IFileLine;
  open: boolean;
  before: string;
  other: Other;
  context: IPageContext;
}): JSX.Element {
  const { file, context } = props;
  const { trans } = context;
  const [open, setOpen] = React.useState(props.open);
  const side = file.after ?? file.before;
  const canOpen =
    side?.type === 'file' &&
    (file.kind !== 'changed' || !!file.what?.includes('content'));
  const Caret = open ? caretDownIcon : caretRightIcon;
  const signs = { added: '+', removed: '−', changed: '±' };
  const kinds = {
    added: trans.__('added'),
    removed: trans.__('removed'),
    changed: trans.__('changed')
  };
  return (
    <li className={`vml-Change vml-mod-${file.kind}`} data-testid="vml-change">
      <button
        className="vml-Change-head"
        aria-expanded={canOpen ? open : undefined}
        disabled={!canOpen}
        onClick={() => setOpen(!open)}
      >
        <span className="vml-Tree-caret">
          {canOpen && <Caret.react tag="span" />}
        </span>
        <span className="vml-Change-sign" title={kinds[file.kind]}>
          <span aria-hidden="true">{signs[file.kind]}</span>
          <span className="vml-Unseen">{kinds[file.kind]}</span>
        </span>
        <span className="vml-Tree-name">{file.path}</span>
        <span className="vml-Tree-size">{sizes(file)}</span>
      </button>
      {open && canOpen && (
        <div className="vml-Change-body">
          <FileChangeView
            before={props.before}
            other={props.other}
            path={file.path}
            context={context}
          />
        </div>
      )}
    </li>
  );
}

/**
 * '1.2 MB → 1.3 MB', 'mode 0644 → 0755', '12 kB'.
 */
export function sizes(file: IFileLine): string {
  const { before, after } = file;
  if (!before || !after) {
    const side = before ?? after;
    return side?.type === 'file' ? bytes(side.size) : (side?.type ?? '');
  }
  const octal = (mode: number) => mode.toString(8).padStart(4, '0');
  const said = (file.what ?? []).map(what => {
    switch (what) {
      case 'content':
        return `${bytes(before.size)} → ${bytes(after.size)}`;
      case 'type':
        return `${before.type} → ${after.type}`;
      case 'mode':
        return `${octal(before.mode)} → ${octal(after.mode)}`;
      default:
        return what;
    }
  });
  return said.join(', ');
}

function EnvironmentChanges(props: {
  changes: IChanges;
  context: IPageContext;
}): JSX.Element {
  const { trans } = props.context;
  const { fields, packages } = props.changes.environment;
  const rows = [...Object.entries(fields), ...Object.entries(packages)];
  if (!rows.length) {
    return (
      <p className="vml-Hint">{trans.__('The environment is the same.')}</p>
    );
  }
  return (
    <section className="vml-EnvironmentChanges">
      <h3>{trans.__('Environment')}</h3>
      <table className="vml-Table" data-testid="vml-environment-changes">
        <thead>
          <tr>
            <th scope="col" />
            <th scope="col">{trans.__('Before')}</th>
            <th scope="col">{trans.__('After')}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, [before, after]]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{before || '–'}</td>
              <td>{after || '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
