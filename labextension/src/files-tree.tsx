/**
 * The files of an entry as a tree whose folders are read when they are opened.
 */

import { caretDownIcon, caretRightIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { FailureView } from './failures';
import { FileView } from './file-view';
import { bytes } from './format';
import { failure } from './model';
import { IPageContext } from './page-context';
import { IItem, IListing } from './page-records';
import { IFailure } from './records';

const MOST_SHOWN = 500;

interface IRow {
  path: string;
  item: IItem;
  level: number;
}

/**
 * Return the rows that are in sight: what lies in the folders that are open.
 */
export function visibleRows(
  folders: ReadonlyMap<string, IListing>,
  open: ReadonlySet<string>,
  path = '',
  level = 1
): IRow[] {
  const items = folders.get(path)?.items.slice(0, MOST_SHOWN) ?? [];
  return items.flatMap(item => {
    const own = path ? `${path}/${item.name}` : item.name;
    const row = { path: own, item, level };
    const below =
      item.type === 'dir' && open.has(own)
        ? visibleRows(folders, open, own, level + 1)
        : [];
    return [row, ...below];
  });
}

export function FilesTree(props: {
  entry: string;
  /** The file that is shown at first. */
  first: string;
  context: IPageContext;
}): JSX.Element {
  const { entry, context } = props;
  const { page, trans } = context;
  const [folders, setFolders] = React.useState(new Map<string, IListing>());
  const [open, setOpen] = React.useState(new Set<string>());
  const [chosen, setChosen] = React.useState<IRow | null>(null);
  const [current, setCurrent] = React.useState('');
  const [refused, setRefused] = React.useState<IFailure | null>(null);
  const tree = React.useRef<HTMLUListElement>(null);

  const read = async (path: string) => {
    try {
      const listing = await page.folder(entry, path);
      setFolders(known => new Map(known).set(path, listing));
      return listing;
    } catch (reason) {
      setRefused(failure(reason));
      return null;
    }
  };
  React.useEffect(() => {
    void read('').then(listing => {
      const item = listing?.items.find(one => one.name === props.first);
      if (item) {
        setChosen({ path: item.name, item, level: 1 });
      }
    });
  }, [entry]);

  const rows = React.useMemo(() => visibleRows(folders, open), [folders, open]);
  const toggle = (row: IRow, wanted = !open.has(row.path)) => {
    const next = new Set(open);
    if (wanted) {
      next.add(row.path);
      if (!folders.has(row.path)) {
        void read(row.path);
      }
    } else {
      next.delete(row.path);
    }
    setOpen(next);
  };
  const use = (row: IRow) => {
    setCurrent(row.path);
    if (row.item.type === 'dir') {
      toggle(row);
    } else if (row.item.type === 'file') {
      setChosen(row);
    }
  };
  const focus = (row: IRow | undefined) => {
    if (row) {
      setCurrent(row.path);
      const nodes = tree.current?.querySelectorAll<HTMLElement>('[data-path]');
      [...(nodes ?? [])].find(node => node.dataset.path === row.path)?.focus();
    }
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    const at = rows.findIndex(row => row.path === current);
    const row = rows[Math.max(0, at)];
    const isFolder = row?.item.type === 'dir';
    const parent = rows
      .slice(0, Math.max(0, at))
      .reverse()
      .find(other => other.level < row.level);
    const actions: Record<string, () => void> = {
      ArrowDown: () => focus(rows[at + 1]),
      ArrowUp: () => focus(rows[at - 1]),
      Home: () => focus(rows[0]),
      End: () => focus(rows[rows.length - 1]),
      ArrowRight: () =>
        isFolder && (open.has(row.path) ? focus(rows[at + 1]) : toggle(row)),
      ArrowLeft: () =>
        isFolder && open.has(row.path) ? toggle(row, false) : focus(parent),
      Enter: () => use(row),
      ' ': () => use(row)
    };
    if (row && event.key in actions) {
      event.preventDefault();
      event.stopPropagation();
      actions[event.key]();
    }
  };
  const total = folders.get('')?.total ?? 0;
  return (
    <div className="vml-Files">
      <div className="vml-Files-list">
        {refused && <FailureView failure={refused} trans={trans} />}
        <ul
          ref={tree}
          className="vml-Tree"
          role="tree"
          aria-label={trans.__('Files')}
          data-testid="vml-tree"
          onKeyDown={onKeyDown}
        >
          {rows.map((row, index) => (
            <TreeItem
              key={row.path}
              row={row}
              open={open.has(row.path)}
              chosen={chosen?.path === row.path}
              focusable={current ? current === row.path : index === 0}
              onFocus={() => setCurrent(row.path)}
              onUse={() => use(row)}
            />
          ))}
        </ul>
        {total > MOST_SHOWN && (
          <p className="vml-Hint">
            {trans.__('The first %1 of %2 are shown.', MOST_SHOWN, total)}
          </p>
        )}
      </div>
      {chosen ? (
        <FileView
          entry={entry}
          path={chosen.path}
          size={chosen.item.size ?? 0}
          context={context}
        />
      ) : (
        <p className="vml-Empty vml-File">
          {trans.__('Choose a file to look into it.')}
        </p>
      )}
    </div>
  );
}

function TreeItem(props: {
  row: IRow;
  open: boolean;
  chosen: boolean;
  focusable: boolean;
  onFocus: () => void;
  onUse: () => void;
}): JSX.Element {
  const { row, open } = props;
  const { item } = row;
  const isFolder = item.type === 'dir';
  const Caret = open ? caretDownIcon : caretRightIcon;
  return (
    <li
      role="treeitem"
      aria-level={row.level}
      aria-expanded={isFolder ? open : undefined}
      aria-selected={props.chosen}
      tabIndex={props.focusable ? 0 : -1}
      data-path={row.path}
      style={{ paddingLeft: 4 + 16 * (row.level - 1) }}
      onFocus={props.onFocus}
      onClick={props.onUse}
    >
      <span className="vml-Tree-caret">
        {isFolder && <Caret.react tag="span" />}
      </span>
      <span className="vml-Tree-name" title={row.path}>
        {item.name}
        {item.target && <span className="vml-Hint"> → {item.target}</span>}
      </span>
      {item.type === 'file' && (
        <span className="vml-Tree-size">{bytes(item.size ?? 0)}</span>
      )}
    </li>
  );
}
