/**
 * The machines that were made for entries.
 */

import { ReactWidget, UseSignal } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import {
  ellipsesIcon,
  LabIcon,
  launchIcon,
  MenuSvg,
  runIcon
} from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { FailureView } from './failures';
import { arrived, since } from './format';
import { snapshotIcon, suspendIcon } from './icons';
import { Launches } from './launches-view';
import { memory, stateName } from './machine-words';
import { openAt } from './menus';
import { LogbookModel } from './model';
import { IMachine, isActive } from './records';
import { CommandIDs } from './tokens';

export class MachinesView extends ReactWidget {
  constructor(
    private _model: LogbookModel,
    private _commands: CommandRegistry,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('vml-Machines');
  }

  protected render(): JSX.Element {
    return (
      <UseSignal signal={this._model.changed}>
        {() => this._renderList()}
      </UseSignal>
    );
  }

  private _renderList(): JSX.Element {
    const { _model: model, _trans: trans } = this;
    const { machines, machinesFailure } = model;
    const launches = (
      <Launches
        launches={model.launches}
        trans={trans}
        onForget={launch =>
          void this._commands.execute(CommandIDs.forgetLaunch, {
            machine: launch.id
          })
        }
        onEntry={launch =>
          void this._commands.execute(CommandIDs.openEntry, {
            entry: launch.entry
          })
        }
      />
    );
    if (machinesFailure) {
      return (
        <>
          <FailureView
            failure={machinesFailure}
            trans={trans}
            action={{
              label: trans.__('What is missing…'),
              run: () => void this._commands.execute(CommandIDs.doctor)
            }}
          />
          {launches}
        </>
      );
    }
    if (machines === null) {
      return <p className="vml-Empty">{trans.__('Looking for machines…')}</p>;
    }
    if (machines.length === 0) {
      return (
        <>
          {model.launches.length === 0 && (
            <div className="vml-Empty">
              <p>{trans.__('No machines. Restoring an entry starts one.')}</p>
              <button
                className="jp-Button jp-mod-minimal vml-TextButton"
                data-testid="vml-can-run"
                onClick={() => void this._commands.execute(CommandIDs.doctor)}
              >
                {trans.__('Can they run here?')}
              </button>
            </div>
          )}
          {launches}
        </>
      );
    }
    const busy = new Set(model.jobs.filter(isActive).map(job => job.subject));
    return (
      <>
        <ul className="vml-List" aria-label={trans.__('Machines')}>
          {machines.map(machine => (
            <MachineItem
              key={machine.id}
              machine={machine}
              busy={busy.has(machine.id)}
              trans={trans}
              onCommand={command =>
                void this._commands.execute(command, { machine: machine.id })
              }
              onMenu={at => openMenu(this._commands, machine, at)}
            />
          ))}
        </ul>
        {launches}
      </>
    );
  }
}

function MachineItem(props: {
  machine: IMachine;
  busy: boolean;
  trans: TranslationBundle;
  onCommand: (command: string) => void;
  onMenu: (at: { x: number; y: number }) => void;
}): JSX.Element {
  const { machine, busy, trans, onCommand, onMenu } = props;
  const { state } = machine;
  const differs = machine.differences.length > 0;
  const name = machine.title || machine.entry;
  const come = arrived(machine, trans);
  const size = trans.__(
    '%1 CPUs, %2 of memory, %3; machine %4',
    machine.shape.cpus,
    memory(machine),
    machine.accelerator,
    machine.id
  );
  const uptime = since(machine.since ?? '');
  const action = (
    command: string,
    id: string,
    icon: LabIcon,
    label: string,
    described: string
  ) => (
    <button
      className="jp-Button jp-mod-minimal vml-IconButton"
      data-testid={id}
      disabled={busy}
      title={label}
      aria-label={described}
      onClick={() => onCommand(command)}
    >
      <icon.react tag="span" />
    </button>
  );
  return (
    <li
      className="vml-Item"
      data-testid="vml-machine"
      data-machine-id={machine.id}
      data-state={state}
      onContextMenu={event => {
        event.preventDefault();
        event.stopPropagation();
        onMenu({ x: event.clientX, y: event.clientY });
      }}
    >
      <div className="vml-Item-head">
        <button
          className="vml-Item-title"
          title={name}
          onClick={() => onCommand(CommandIDs.showMachine)}
        >
          {name}
        </button>
        {state === 'running' &&
          action(
            CommandIDs.open,
            'vml-machine-open',
            launchIcon,
            trans.__('Open'),
            trans.__('Open “%1”', name)
          )}
        {state === 'running' &&
          action(
            CommandIDs.capture,
            'vml-machine-capture',
            snapshotIcon,
            trans.__('Snapshot to the Logbook…'),
            trans.__('Snapshot of “%1” as it is in this machine', name)
          )}
        {state === 'running' &&
          action(
            CommandIDs.suspend,
            'vml-machine-suspend',
            suspendIcon,
            trans.__('Suspend'),
            trans.__('Suspend “%1”', name)
          )}
        {state === 'stopped' &&
          action(
            CommandIDs.start,
            'vml-machine-start',
            runIcon,
            trans.__('Start'),
            trans.__('Start “%1”', name)
          )}
        {(state === 'suspended' || state === 'broken') &&
          action(
            CommandIDs.resume,
            'vml-machine-resume',
            runIcon,
            state === 'broken' ? trans.__('Mend') : trans.__('Resume'),
            trans.__('Resume “%1”', name)
          )}
        <button
          className="jp-Button jp-mod-minimal vml-IconButton"
          data-testid="vml-machine-menu"
          title={trans.__('More actions')}
          aria-haspopup="menu"
          aria-label={trans.__('More actions for the machine of “%1”', name)}
          onClick={event => {
            const box = event.currentTarget.getBoundingClientRect();
            onMenu({ x: box.left, y: box.bottom });
          }}
        >
          <ellipsesIcon.react tag="span" />
        </button>
      </div>
      <div className="vml-Item-meta">
        <span
          className={`vml-State vml-mod-${state}`}
          title={machine.detail || undefined}
        >
          {stateName(state, trans)}
        </span>
        <span
          className={differs ? 'vml-Badge vml-mod-differs' : 'vml-Badge'}
          data-testid="vml-machine-release"
          title={machine.label}
        >
          {machine.release?.label}
        </span>
      </div>
      <div className="vml-Item-meta" title={size}>
        <span>
          {[memory(machine), uptime && trans.__('up %1', uptime)]
            .filter(Boolean)
            .join(' · ')}
        </span>
      </div>
      {come && (
        <div
          className="vml-Item-meta"
          data-testid="vml-arrived"
          title={trans.__(
            'A machine gets of its working area what it reads, when it reads it.'
          )}
        >
          <span>{come}</span>
        </div>
      )}
      {differs && (
        <div className="vml-Item-meta vml-Differs" data-testid="vml-differs">
          <span title={machine.label}>{machine.label}</span>
        </div>
      )}
      {machine.detail && (
        <div className="vml-Item-meta vml-Differs">
          <span>{machine.detail}</span>
        </div>
      )}
    </li>
  );
}

function openMenu(
  commands: CommandRegistry,
  machine: IMachine,
  at: { x: number; y: number }
): void {
  const menu = new MenuSvg({ commands });
  const args = { machine: machine.id };
  const add = (...ids: string[]) =>
    ids
      .filter(id => commands.hasCommand(id))
      .forEach(command => menu.addItem({ command, args }));
  add(CommandIDs.open, CommandIDs.openInBrowser, CommandIDs.showMachine);
  menu.addItem({ type: 'separator' });
  add(CommandIDs.suspend, CommandIDs.resume, CommandIDs.start);
  add(CommandIDs.capture);
  menu.addItem({ type: 'separator' });
  for (const part of ['standard', 'console']) {
    const command = CommandIDs.showMachine;
    menu.addItem({ command, args: { ...args, part } });
  }
  menu.addItem({ type: 'separator' });
  add(CommandIDs.stop, CommandIDs.remove);
  openAt(menu, at);
}
