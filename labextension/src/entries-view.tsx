/**
 * The entries of the logbook, newest first.
 */

import { ReactWidget, UseSignal } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { ellipsesIcon, MenuSvg } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { ITrack, tracks } from './branches';
import { GoneBadge, needsText, PlaceText, StateText } from './durability';
import { FailureView } from './failures';
import { Filters } from './filters';
import { ago, bytes, files } from './format';
import { restoreIcon } from './icons';
import { ListFilter } from './list-filter';
import { openAt } from './menus';
import { LogbookModel } from './model';
import { IDurability, IEntry, isActive } from './records';
import { Rows } from './rows';
import { matching } from './search';
import { Plots, Thumbnail } from './thumbnail';
import { CommandIDs } from './tokens';
import { TrackView } from './tracks';

const ROW_PX = 68;

export class EntriesView extends ReactWidget {
  constructor(
    private _model: LogbookModel,
    private _commands: CommandRegistry,
    private _filter: ListFilter,
    private _plots: Plots,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('vml-Entries');
  }

  protected render(): JSX.Element {
    return (
      <UseSignal signal={this._filter.changed}>
        {() => (
          <UseSignal signal={this._model.changed}>
            {() => this._renderList()}
          </UseSignal>
        )}
      </UseSignal>
    );
  }

  private _renderList(): JSX.Element {
    const { _model: model, _trans: trans } = this;
    const { entries, entriesFailure } = model;
    if (entriesFailure) {
      return (
        <FailureView
          failure={entriesFailure}
          trans={trans}
          action={{
            label: trans.__('Try again'),
            run: () => void this._commands.execute(CommandIDs.refresh)
          }}
        />
      );
    }
    if (entries === null) {
      return <p className="vml-Empty">{trans.__('Opening the logbook…')}</p>;
    }
    if (entries.length === 0) {
      return (
        <div className="vml-Empty" data-testid="vml-empty">
          <p>
            {trans.__(
              'The logbook is empty. Open a notebook and press Snapshot in its toolbar: its folder and its CernVM version are written here, and can be reopened together.'
            )}
          </p>
          <p>
            {trans.__(
              'Or begin with an example: a notebook that finds resonances in pairs of muons.'
            )}
          </p>
          <button
            className="jp-Button jp-mod-styled jp-mod-accept"
            data-testid="vml-example"
            onClick={() => void this._commands.execute(CommandIDs.tryExample)}
          >
            {trans.__('Open the example')}
          </button>
        </div>
      );
    }
    return (
      <>
        <Filters filter={this._filter} entries={entries} trans={trans} />
        <EntryList
          entries={entries}
          filter={this._filter}
          known={id => model.durability(id)}
          restoring={this._restoring()}
          commands={this._commands}
          plots={this._plots}
          trans={trans}
        />
      </>
    );
  }

  private _restoring(): Set<string> {
    return new Set(
      this._model.jobs
        .filter(job => job.kind === 'restore' && isActive(job))
        .map(job => job.subject)
    );
  }
}

function EntryList(props: {
  entries: ReadonlyArray<IEntry>;
  filter: ListFilter;
  known: (entry: string) => IDurability | undefined;
  restoring: Set<string>;
  commands: CommandRegistry;
  plots: Plots;
  trans: TranslationBundle;
}): JSX.Element {
  const { entries, filter, commands, trans } = props;
  const found = React.useMemo(
    () => matching(entries, filter.value),
    [entries, filter.value]
  );
  const drawn = React.useMemo(() => tracks(found), [found]);
  const lanes = React.useMemo(
    () => Math.max(0, ...[...drawn.values()].map(track => track.lane + 1)),
    [drawn]
  );
  if (found.length === 0) {
    return <p className="vml-Empty">{trans.__('No entry is like that.')}</p>;
  }
  const run = (command: string, entry: IEntry) =>
    void commands.execute(command, { entry: entry.id });
  // The same for every row and drawing, so that scrolling draws new rows only.
  const actions = React.useMemo<IActions>(
    () => ({
      open: entry => run(CommandIDs.openEntry, entry),
      restore: entry => run(CommandIDs.restore, entry),
      menu: (entry, at) => openMenu(commands, entry, at),
      tag: tag => filter.set({ tag })
    }),
    [commands, filter]
  );
  return (
    <Rows
      count={found.length}
      label={trans.__('Entries')}
      keyOf={index => found[index].id}
      estimate={ROW_PX}
      onKey={(index, event) => {
        if (event.key === 'Delete') {
          run(CommandIDs.forget, found[index]);
        } else if (
          event.key === 'ContextMenu' ||
          (event.shiftKey && event.key === 'F10')
        ) {
          event.preventDefault();
          const box = event.currentTarget
            .querySelector(`[data-index="${index}"]`)
            ?.getBoundingClientRect();
          openMenu(commands, found[index], {
            x: box?.left ?? 0,
            y: box?.bottom ?? 0
          });
        }
      }}
      row={(index, current) => (
        <EntryItem
          entry={found[index]}
          track={drawn.get(found[index].id)}
          lanes={lanes}
          current={current}
          known={props.known(found[index].id)}
          restoring={props.restoring.has(found[index].id)}
          trans={trans}
          actions={actions}
          plots={props.plots}
        />
      )}
    />
  );
}

function openMenu(
  commands: CommandRegistry,
  entry: IEntry,
  at: { x: number; y: number }
): void {
  const menu = new MenuSvg({ commands });
  const args = { entry: entry.id };
  menu.addItem({ command: CommandIDs.openEntry, args });
  menu.addItem({ command: CommandIDs.compareParent, args });
  menu.addItem({ type: 'separator' });
  menu.addItem({ command: CommandIDs.restore, args });
  menu.addItem({ command: CommandIDs.restoreFiles, args });
  menu.addItem({ command: CommandIDs.launcher, args });
  menu.addItem({ type: 'separator' });
  menu.addItem({ command: CommandIDs.exportEntry, args });
  menu.addItem({ command: CommandIDs.copyId, args });
  menu.addItem({ command: CommandIDs.forget, args });
  openAt(menu, at);
}

interface IActions {
  open: (entry: IEntry) => void;
  restore: (entry: IEntry) => void;
  menu: (entry: IEntry, at: { x: number; y: number }) => void;
  tag: (tag: string) => void;
}

const EntryItem = React.memo(function EntryItem(props: {
  entry: IEntry;
  known: IDurability | undefined;
  track: ITrack | undefined;
  lanes: number;
  current: boolean;
  restoring: boolean;
  trans: TranslationBundle;
  actions: IActions;
  plots: Plots;
}): JSX.Element {
  const { entry, known, actions, trans } = props;
  const release = entry.environment.release;
  const where = [entry.notebook, ago(entry.time)].filter(Boolean).join(' · ');
  const what = trans.__('%1 new', bytes(entry.new_bytes));
  const all = `${files(entry, trans)} · ${bytes(entry.bytes)}`;
  const when = new Date(entry.time).toLocaleString();
  const futures = props.track?.futures ?? 0;
  return (
    <div
      className="vml-Item"
      data-testid="vml-entry"
      data-entry-id={entry.id}
      onContextMenu={event => {
        event.preventDefault();
        event.stopPropagation();
        actions.menu(entry, { x: event.clientX, y: event.clientY });
      }}
    >
      <TrackView track={props.track} lanes={props.lanes} />
      <div className="vml-Item-body">
        <div className="vml-Item-head">
          <button
            className="vml-Item-title vml-Row-main"
            tabIndex={props.current ? 0 : -1}
            title={[entry.title, entry.note].filter(Boolean).join('\n\n')}
            onClick={() => actions.open(entry)}
          >
            {entry.title}
          </button>
          <button
            className="jp-Button jp-mod-minimal vml-IconButton"
            data-testid="vml-restore"
            disabled={props.restoring}
            title={trans.__('Restore')}
            aria-label={trans.__('Restore “%1”', entry.title)}
            onClick={() => actions.restore(entry)}
          >
            <restoreIcon.react tag="span" />
          </button>
          <button
            className="jp-Button jp-mod-minimal vml-IconButton"
            data-testid="vml-entry-menu"
            title={trans.__('More actions')}
            aria-haspopup="menu"
            aria-label={trans.__('More actions for “%1”', entry.title)}
            onClick={event => {
              const box = event.currentTarget.getBoundingClientRect();
              actions.menu(entry, { x: box.left, y: box.bottom });
            }}
          >
            <ellipsesIcon.react tag="span" />
          </button>
        </div>
        <div className="vml-Item-meta" title={`${when}\n${entry.area}`}>
          <span>{where}</span>
          {futures > 1 && (
            <span className="vml-Futures" data-testid="vml-futures">
              {trans.__('%1 branches', futures)}
            </span>
          )}
        </div>
        <div className="vml-Item-meta">
          <span
            className={release ? 'vml-Badge' : 'vml-Badge vml-mod-unknown'}
            data-testid="vml-entry-release"
            data-state={known?.state}
            title={needsText(known, trans)}
          >
            {release?.label ?? trans.__('No release')}
          </span>
          <GoneBadge known={known} trans={trans} />
          {entry.automatic && (
            <span className="vml-Item-auto" data-testid="vml-automatic">
              {trans.__('automatic')}
            </span>
          )}
          <PlaceText entry={entry} trans={trans} />
          <StateText known={known} trans={trans} />
          <span title={all}>{what}</span>
        </div>
        {entry.tags.length > 0 && (
          <div className="vml-Item-meta vml-Item-tags">
            {entry.tags.map(tag => (
              <button
                key={tag}
                className="vml-Tag"
                title={trans.__('Show what is tagged “%1”', tag)}
                onClick={() => actions.tag(tag)}
              >
                {tag}
              </button>
            ))}
          </div>
        )}
      </div>
      {entry.notebook && <Thumbnail entry={entry.id} plots={props.plots} />}
    </div>
  );
});
