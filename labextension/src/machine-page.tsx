/**
 * The page of one machine: how it stands, its standard snapshots, its console.
 */

import { ReactWidget, UseSignal } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { ISignal, Signal } from '@lumino/signaling';
import * as React from 'react';

import { ConsoleView } from './console-view';
import { ago, arrived, since } from './format';
import { memory, stateName } from './machine-words';
import { LogbookModel } from './model';
import { IMachine, isActive } from './records';
import { StandardView } from './standard-view';
import { CommandIDs } from './tokens';

export interface IMachinePageOptions {
  machine: string;
  model: LogbookModel;
  commands: CommandRegistry;
  trans: TranslationBundle;
}

export class MachinePage extends ReactWidget {
  constructor(private _options: IMachinePageOptions) {
    super();
    this.addClass('vml-Page');
    this.addClass('vml-MachinePage');
    this.title.label = this._known?.title || _options.machine;
  }

  get machine(): string {
    return this._options.machine;
  }

  get shown(): ISignal<this, void> {
    return this._shown;
  }

  /** Bring one of the parts into sight: `standard` or `console`. */
  showPart(part: string): void {
    this._part = part;
    this._shown.emit();
    this.node
      .querySelector(`[data-part="${part}"]`)
      ?.scrollIntoView({ block: 'start' });
  }

  protected render(): JSX.Element {
    const { model, trans } = this._options;
    return (
      <UseSignal signal={model.changed}>
        {() => {
          const machine = this._known;
          return machine ? (
            <Body {...this._options} known={machine} part={this._part} />
          ) : (
            <p className="vml-Empty">
              {model.machines
                ? trans.__('There is no such machine any more.')
                : trans.__('Looking for machines…')}
            </p>
          );
        }}
      </UseSignal>
    );
  }

  private get _known(): IMachine | undefined {
    const { machine, model } = this._options;
    return model.machines?.find(one => one.id === machine);
  }

  private _part = '';
  private _shown = new Signal<this, void>(this);
}

function Body(
  props: IMachinePageOptions & { known: IMachine; part: string }
): JSX.Element {
  const { known, model, commands, trans } = props;
  const { state } = known;
  const busy = model.jobs.some(
    job => job.subject === known.id && isActive(job)
  );
  const args = { machine: known.id };
  const act = (command: string, label: string, accent = false) => (
    <button
      className={`jp-Button jp-mod-styled ${accent ? 'jp-mod-accept' : 'jp-mod-reject'}`}
      data-command={command}
      disabled={busy}
      onClick={() => void commands.execute(command, args)}
    >
      {label}
    </button>
  );
  return (
    <div className="vml-Page-body">
      <header className="vml-Head">
        <h1 className="vml-Head-title">{known.title || known.id}</h1>
        <div className="vml-Head-meta">
          <span className={`vml-State vml-mod-${state}`}>
            {stateName(state, trans)}
          </span>
          <span className="vml-Badge">{known.label}</span>
          {known.detail && <span>{known.detail}</span>}
        </div>
        <Facts machine={known} commands={commands} trans={trans} />
        <div
          className="vml-Head-actions"
          role="group"
          aria-label={trans.__('Actions')}
        >
          {state === 'running' && act(CommandIDs.open, trans.__('Open'), true)}
          {state === 'running' &&
            act(CommandIDs.openInBrowser, trans.__('Open in a browser tab'))}
          {state === 'suspended' &&
            act(CommandIDs.resume, trans.__('Resume'), true)}
          {state === 'broken' && act(CommandIDs.resume, trans.__('Mend'), true)}
          {state === 'stopped' &&
            act(CommandIDs.start, trans.__('Start'), true)}
          {state === 'running' && act(CommandIDs.suspend, trans.__('Suspend'))}
          {commands.hasCommand(CommandIDs.capture) &&
            act(CommandIDs.capture, trans.__('Snapshot to the logbook'))}
          {state !== 'stopped' && act(CommandIDs.stop, trans.__('Stop'))}
          {act(CommandIDs.remove, trans.__('Delete…'))}
        </div>
      </header>
      <section data-part="standard" aria-labelledby={`vml-std-${known.id}`}>
        <h2 id={`vml-std-${known.id}`}>{trans.__('Standard snapshots')}</h2>
        <StandardView {...props} busy={busy} />
      </section>
      <section data-part="console" aria-labelledby={`vml-con-${known.id}`}>
        <h2 id={`vml-con-${known.id}`}>{trans.__('Console log')}</h2>
        <ConsoleView {...props} />
      </section>
    </div>
  );
}

function Facts(props: {
  machine: IMachine;
  commands: CommandRegistry;
  trans: TranslationBundle;
}): JSX.Element {
  const { machine, commands, trans } = props;
  const facts: [string, React.ReactNode][] = [
    [
      trans.__('Entry'),
      <button
        className="vml-Link"
        onClick={() =>
          void commands.execute(CommandIDs.openEntry, { entry: machine.entry })
        }
      >
        {machine.title || machine.entry}
      </button>
    ],
    [trans.__('Notebook'), machine.notebook],
    [trans.__('Memory'), memory(machine)],
    [trans.__('Processors'), `${machine.shape.cpus} (${machine.accelerator})`],
    [trans.__('Running for'), since(machine.since ?? '')],
    [trans.__('Working area'), arrived(machine, trans)],
    [trans.__('Made'), ago(machine.created)],
    [trans.__('Machine'), machine.id]
  ];
  return (
    <dl className="vml-Facts vml-Facts-wide">
      {facts
        .filter(([, value]) => value)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
