/**
 * The choices beside the search box: notebook, project, tag, release.
 */

import { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';

import { ListFilter } from './list-filter';
import { choices } from './search';
import { IEntry } from './records';

type Name = 'notebook' | 'project' | 'tag' | 'release';

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
    ['release', trans.__('Release')]
  ];
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
          {offered[name].map(value => (
            <option key={value} value={value}>
              {value}
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
