/**
 * The entries of the logbook, newest first.
 */

import { ReactWidget, UseSignal } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { ellipsesIcon, MenuSvg } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { ISignal } from '@lumino/signaling';
import * as React from 'react';

import { GoneBadge, needsText } from './durability';
import { FailureView } from './failures';
import { ago, bytes, files, matching } from './format';
import { restoreIcon } from './icons';
import { LogbookModel } from './model';
import { IDurability, IEntry, isActive } from './records';
import { CommandIDs } from './tokens';

export class EntriesView extends ReactWidget {
  /**
   * @param query - What the search box holds, and a signal when it changes.
   */
  constructor(
    private _model: LogbookModel,
    private _commands: CommandRegistry,
    private _query: {
      readonly value: string;
      readonly changed: ISignal<unknown, void>;
    },
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('vml-Entries');
  }

  protected render(): JSX.Element {
    return (
      <UseSignal signal={this._query.changed}>
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
      return <FailureView failure={entriesFailure} trans={trans} />;
    }
    if (entries === null) {
      return <p className="vml-Empty">{trans.__('Opening the logbook…')}</p>;
    }
    if (entries.length === 0) {
      return (
        <p className="vml-Empty" data-testid="vml-empty">
          {trans.__(
            'The logbook is empty. Open a notebook and press Snapshot in its toolbar: its folder and its CernVM version are written here, and can be reopened together.'
          )}
        </p>
      );
    }
    const found = matching(entries, this._query.value);
    if (found.length === 0) {
      return (
        <p className="vml-Empty">{trans.__('No entry has all these words.')}</p>
      );
    }
    const restoring = new Set(
      model.jobs
        .filter(job => job.kind === 'restore' && isActive(job))
        .map(job => job.subject)
    );
    return (
      <ul className="vml-List" aria-label={trans.__('Entries')}>
        {found.map(entry => (
          <EntryItem
            key={entry.id}
            entry={entry}
            known={model.durability(entry.id)}
            restoring={restoring.has(entry.id)}
            trans={trans}
            onRestore={() =>
              void this._commands.execute(CommandIDs.restore, {
                entry: entry.id
              })
            }
            onMenu={at => this._openMenu(entry, at)}
          />
        ))}
      </ul>
    );
  }

  private _openMenu(entry: IEntry, at: { x: number; y: number }): void {
    const menu = new MenuSvg({ commands: this._commands });
    const args = { entry: entry.id };
    menu.addItem({ command: CommandIDs.restore, args });
    menu.addItem({ command: CommandIDs.copyId, args });
    menu.addItem({ type: 'separator' });
    menu.addItem({ command: CommandIDs.forget, args });
    // The command that was chosen is run after the menu has closed.
    menu.aboutToClose.connect(() => void setTimeout(() => menu.dispose()));
    menu.open(at.x, at.y);
  }
}

function EntryItem(props: {
  entry: IEntry;
  known: IDurability | undefined;
  restoring: boolean;
  trans: TranslationBundle;
  onRestore: () => void;
  onMenu: (at: { x: number; y: number }) => void;
}): JSX.Element {
  const { entry, known, trans } = props;
  const release = entry.environment.release;
  const where = [entry.notebook, ago(entry.time)].filter(Boolean).join(' · ');
  const what = `${files(entry, trans)} · ${bytes(entry.bytes)}`;
  const when = new Date(entry.time).toLocaleString();
  return (
    <li
      className="vml-Item"
      data-testid="vml-entry"
      data-entry-id={entry.id}
      onContextMenu={event => {
        event.preventDefault();
        event.stopPropagation();
        props.onMenu({ x: event.clientX, y: event.clientY });
      }}
    >
      <div className="vml-Item-head">
        <span
          className="vml-Item-title"
          title={[entry.title, entry.note].filter(Boolean).join('\n\n')}
        >
          {entry.title}
        </span>
        <button
          className="jp-Button jp-mod-minimal vml-IconButton"
          data-testid="vml-restore"
          disabled={props.restoring}
          title={trans.__('Restore')}
          aria-label={trans.__('Restore “%1”', entry.title)}
          onClick={props.onRestore}
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
            props.onMenu({ x: box.left, y: box.bottom });
          }}
        >
          <ellipsesIcon.react tag="span" />
        </button>
      </div>
      <div className="vml-Item-meta" title={`${when}\n${entry.area}`}>
        <span>{where}</span>
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
        <span>{what}</span>
      </div>
    </li>
  );
}
