/**
 * The choices beside the search box: notebook, project, tag, release, date, and how it was taken.
 */

import { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';

import { ListFilter } from './list-filter';
import { choices } from './search';
import { IEntry } from './records';

type Name = 'notebook' | 'project' | 'tag' | 'release' | 'days' | 'kind';

export function Filters(props: {
  filter: ListFilter;
  entries: ReadonlyArray<IEntry>;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { filter, entries, trans } = props;
  const offered = React.useMemo(() => choices(entries), [entries]);
  const labels: [Name, string][] = [
    ['notebook', trans.__('Notebook')],
    ['project', trans.__('Project')],
    ['tag', trans.__('Tag')],
    ['release', trans.__('Release')],
    ['days', trans.__('Date')],
    ['kind', trans.__('Taken')]
  ];
  const fixed: Partial<Record<Name, [string, string][]>> = {
    days: [
      ['1', trans.__('Last 24 hours')],
      ['7', trans.__('Last 7 days')],
      ['31', trans.__('Last month')],
      ['366', trans.__('Last year')]
    ],
    kind: [
      ['hand', trans.__('By hand')],
      ['automatic', trans.__('Automatically')]
    ]
  };
  const choicesOf = (name: Name): [string, string][] =>
    fixed[name] ??
    offered[name as keyof typeof offered].map(value => [value, value]);
  const chosen = labels.filter(([name]) => filter.value[name]);
  if (!filter.expanded && !chosen.length) {
    return null;
  }
  return (
    <div
      className="vml-Filters"
      role="group"
      aria-label={trans.__('Filters')}
      data-testid="vml-filters"
    >
      {(filter.expanded ? labels : chosen).map(([name, label]) => (
        <HTMLSelect
          key={name}
          aria-label={label}
          data-testid={`vml-filter-${name}`}
          className={filter.value[name] ? 'vml-mod-chosen' : ''}
          value={filter.value[name]}
          onChange={event => filter.set({ [name]: event.target.value })}
        >
          <option value="">{trans.__('%1: any', label)}</option>
          {choicesOf(name).map(([value, text]) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </HTMLSelect>
      ))}
      {chosen.length > 0 && (
        <button
          className="jp-Button jp-mod-minimal vml-TextButton"
          onClick={() => filter.clear()}
        >
          {trans.__('Show all')}
        </button>
      )}
    </div>
  );
}
