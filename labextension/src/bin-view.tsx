/**
 * The bin: what was forgotten, until it is taken back or removed for good.
 */

import { ReactWidget, UseSignal } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { undoIcon } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { ago, bytes } from './format';
import { LogbookModel } from './model';
import { IEntry } from './records';
import { Rows } from './rows';
import { CommandIDs } from './tokens';

const ROW_PX = 48;

export class BinView extends ReactWidget {
  constructor(
    private _model: LogbookModel,
    private _commands: CommandRegistry,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('vml-Bin');
  }

  protected render(): JSX.Element {
    return (
      <UseSignal signal={this._model.changed}>
        {() => this._renderList(this._model.bin)}
      </UseSignal>
    );
  }

  private _renderList(bin: ReadonlyArray<IEntry> | null): JSX.Element {
    const trans = this._trans;
    if (!bin?.length) {
      return (
        <p className="vml-Empty">
          {bin
            ? trans.__(
                'The bin is empty. What you forget stays here until you empty it.'
              )
            : trans.__('Opening the logbook…')}
        </p>
      );
    }
    const run = (command: string, entry: IEntry) =>
      void this._commands.execute(command, { entry: entry.id });
    const size = bytes(bin.reduce((sum, entry) => sum + entry.bytes, 0));
    return (
      <>
        <div className="vml-Bin-head">
          <span>
            {trans._n('%1 entry, %2', '%1 entries, %2', bin.length, size)}
          </span>
          <button
            className="jp-Button jp-mod-minimal vml-TextButton"
            data-testid="vml-empty-bin"
            onClick={() => void this._commands.execute(CommandIDs.emptyBin)}
          >
            {trans.__('Empty…')}
          </button>
        </div>
        <Rows
          count={bin.length}
          label={trans.__('Bin')}
          keyOf={index => bin[index].id}
          estimate={ROW_PX}
          row={(index, current) => (
            <BinItem
              entry={bin[index]}
              current={current}
              trans={trans}
              onOpen={() => run(CommandIDs.openEntry, bin[index])}
              onTakeBack={() => run(CommandIDs.unforget, bin[index])}
            />
          )}
        />
      </>
    );
  }
}

function BinItem(props: {
  entry: IEntry;
  current: boolean;
  trans: TranslationBundle;
  onOpen: () => void;
  onTakeBack: () => void;
}): JSX.Element {
  const { entry, trans } = props;
  const forgotten = entry.forgotten
    ? trans.__('forgotten %1', ago(entry.forgotten))
    : '';
  const meta = [entry.notebook, forgotten, bytes(entry.bytes)];
  return (
    <div
      className="vml-Item"
      data-testid="vml-bin-entry"
      data-entry-id={entry.id}
    >
      <div className="vml-Item-body">
        <div className="vml-Item-head">
          <button
            className="vml-Item-title vml-Row-main"
            tabIndex={props.current ? 0 : -1}
            onClick={props.onOpen}
          >
            {entry.title}
          </button>
          <button
            className="jp-Button jp-mod-minimal vml-IconButton"
            data-testid="vml-unforget"
            title={trans.__('Take back')}
            aria-label={trans.__('Take “%1” back', entry.title)}
            onClick={props.onTakeBack}
          >
            <undoIcon.react tag="span" />
          </button>
        </div>
        <div className="vml-Item-meta">
          <span>{meta.filter(Boolean).join(' · ')}</span>
        </div>
      </div>
    </div>
  );
}
