/**
 * The status bar's word on where the notebook in front runs: "CernVM 4.5.0.1", or "this computer".
 */

import {
  ILabShell,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ReactWidget } from '@jupyterlab/apputils';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import * as React from 'react';

import { machineIcon } from './icons';
import { LogbookModel } from './model';
import { IEnvironment } from './records';
import { CommandIDs, ILogbookModel } from './tokens';

const FRAME = 'vml-frame-';

/**
 * The machine whose pages a widget shows; empty for any other.
 */
export function machineOf(widget: Pick<Widget, 'id'> | null): string {
  return widget?.id.startsWith(FRAME) ? widget.id.slice(FRAME.length) : '';
}

export const statusItem: JupyterFrontEndPlugin<void> = {
  id: 'vml-jupyter:status',
  description: 'Says in the status bar where the notebook in front runs.',
  autoStart: true,
  requires: [ILogbookModel],
  optional: [IStatusBar, ILabShell, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    model: LogbookModel,
    bar: IStatusBar | null,
    shell: ILabShell | null,
    translator: ITranslator | null
  ) => {
    if (!bar) {
      return;
    }
    const trans = (translator ?? nullTranslator).load('vml_jupyter');
    let own: IEnvironment | null = null;
    const front = () => machineOf(shell?.currentWidget ?? null);
    const text = () => {
      const machine = model.machines?.find(one => one.id === front());
      if (front()) {
        return machine?.label ?? trans.__('a machine that is gone');
      }
      const here = own && !own.release_chosen ? own.release?.label : '';
      return here || trans.__('this computer');
    };
    const widget = new StatusItem(
      text,
      () =>
        void (front()
          ? app.commands.execute(CommandIDs.showMachine, { machine: front() })
          : app.commands.execute(CommandIDs.show)),
      trans.__('Where the notebook in front runs')
    );
    model.changed.connect(() => widget.update());
    shell?.currentChanged.connect(() => widget.update());
    model.api.environment().then(
      told => {
        own = told;
        widget.update();
      },
      () => undefined // then it is this computer, as far as anybody knows
    );
    bar.registerStatusItem('vml-jupyter:where', {
      item: widget,
      align: 'left',
      rank: 90
    });
  }
};

class StatusItem extends ReactWidget {
  constructor(
    private _text: () => string,
    private _open: () => void,
    private _caption: string
  ) {
    super();
    this.addClass('vml-Status');
  }

  protected render(): JSX.Element {
    return (
      <button
        className="vml-Status-button"
        data-testid="vml-status"
        title={this._caption}
        aria-label={`${this._caption}: ${this._text()}`}
        onClick={this._open}
      >
        <machineIcon.react tag="span" />
        {this._text()}
      </button>
    );
  }
}
