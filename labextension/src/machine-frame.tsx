/**
 * A main-area tab with the pages of a machine, below a banner that says where they run.
 *
 *    [screen] Runs in CernVM 4.5.0.1 · machine k3v9… · running          [Open in a browser tab] [Machine]
 *    +--- frame: http://<machine>.localhost:<port>/lab/tree/higgs.ipynb --------------------------------+
 *
 * The frame may run script, as its pages are of another origin; it cannot lead this page elsewhere.
 */

import { MainAreaWidget, ReactWidget, UseSignal } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { IFrame } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { PanelLayout, Widget } from '@lumino/widgets';
import * as React from 'react';

import { machineIcon } from './icons';
import { stateName, tabTitle } from './machine-words';
import { LogbookModel } from './model';
import { IMachine, isActive } from './records';
import { CommandIDs } from './tokens';

const SANDBOX: IFrame.SandboxExceptions[] = [
  'allow-downloads',
  'allow-forms',
  'allow-modals',
  'allow-popups',
  'allow-same-origin',
  'allow-scripts'
];

export interface IMachineFrameOptions {
  machine: string;
  model: LogbookModel;
  commands: CommandRegistry;
  trans: TranslationBundle;
}

export class MachineFrame extends MainAreaWidget<Widget> {
  constructor(private _options: IMachineFrameOptions) {
    super({ content: new Widget() });
    const { machine, model, trans } = _options;
    this.id = `vml-frame-${machine}`;
    this.addClass('vml-Frame');
    this.toolbar.hide();
    this.title.icon = machineIcon;
    this.title.closable = true;
    this._frame = new IFrame({ sandbox: SANDBOX });
    this._frame.addClass('vml-Frame-pages');
    const layout = new PanelLayout();
    layout.addWidget(new Banner(_options));
    layout.addWidget(this._frame);
    this.content.layout = layout;
    this.content.addClass('vml-Frame-content');
    model.changed.connect(this._onChanged, this);
    this._name(this._known);
    const pages = this._frame.node.querySelector('iframe');
    pages?.setAttribute('title', trans.__('Pages of the machine %1', machine));
    pages?.setAttribute('allow', 'clipboard-read; clipboard-write; fullscreen');
  }

  /**
   * Show an address of the machine; one that is shown already stays as it is.
   */
  load(url: string): void {
    if (url !== this._frame.url || this._lost) {
      this._lost = false;
      this._frame.url = url;
    }
  }

  private get _known(): IMachine | undefined {
    const { machine, model } = this._options;
    return model.machines?.find(one => one.id === machine);
  }

  /**
   * Load the pages again once a machine that rested or was stopped is back: its port may be another one.
   */
  private _onChanged(): void {
    const known = this._known;
    this._name(known);
    if (known?.state !== 'running') {
      this._lost = true;
    } else if (this._lost && this.isVisible) {
      this._lost = false;
      void this._reload();
    }
  }

  private async _reload(): Promise<void> {
    const { machine, model } = this._options;
    try {
      this._frame.url = (await model.api.open(machine, false)).url;
    } catch {
      this._lost = true; // the banner says how the machine is; the next change tries again
    }
  }

  private _name(machine: IMachine | undefined): void {
    if (machine) {
      this.title.label = tabTitle(machine);
      this.title.caption = this._options.trans.__(
        '%1; machine %2',
        tabTitle(machine),
        machine.id
      );
    }
  }

  private _frame: IFrame;
  private _lost = false;
}

class Banner extends ReactWidget {
  constructor(private _options: IMachineFrameOptions) {
    super();
    this.addClass('vml-Banner');
    this.node.dataset.testid = 'vml-banner';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute(
      'aria-label',
      _options.trans.__('Where this notebook runs')
    );
  }

  protected render(): JSX.Element {
    const { model } = this._options;
    return (
      <UseSignal signal={model.changed}>
        {() => <BannerText {...this._options} />}
      </UseSignal>
    );
  }
}

function BannerText(props: IMachineFrameOptions): JSX.Element {
  const { machine: id, model, commands, trans } = props;
  const machine = model.machines?.find(one => one.id === id);
  const busy = model.jobs.some(job => job.subject === id && isActive(job));
  const act = (command: string, label: string) => (
    <button
      className="jp-Button jp-mod-styled vml-Banner-button"
      data-command={command}
      disabled={busy}
      onClick={() => void commands.execute(command, { machine: id })}
    >
      {label}
    </button>
  );
  if (!machine) {
    return (
      <div className="vml-Banner-line vml-mod-away" role="status">
        <machineIcon.react tag="span" />
        <strong>{trans.__('This machine is gone')}</strong>
        <span>
          {trans.__('Its entry is still in the logbook: restore it again.')}
        </span>
      </div>
    );
  }
  const running = machine.state === 'running';
  return (
    <div
      className={`vml-Banner-line ${running ? '' : 'vml-mod-away'}`}
      data-state={machine.state}
      role="status"
    >
      <machineIcon.react tag="span" />
      <strong>{trans.__('Runs in %1', machine.label)}</strong>
      <span>
        {trans.__(
          'machine %1, %2; not on this computer itself',
          id,
          stateName(machine.state, trans)
        )}
      </span>
      <span className="vml-Banner-space" />
      {machine.state === 'suspended' &&
        act(CommandIDs.resume, trans.__('Resume'))}
      {machine.state === 'stopped' && act(CommandIDs.start, trans.__('Start'))}
      {machine.state === 'broken' && act(CommandIDs.resume, trans.__('Mend'))}
      {running &&
        act(CommandIDs.openInBrowser, trans.__('Open in a browser tab'))}
      {act(CommandIDs.showMachine, trans.__('Machine…'))}
    </div>
  );
}
