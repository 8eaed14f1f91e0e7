/**
 * The machines that were made for entries.
 */

import { ReactWidget, UseSignal } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import {
  deleteIcon,
  LabIcon,
  launchIcon,
  runIcon,
  stopIcon
} from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { FailureView } from './failures';
import { snapshotIcon } from './icons';
import { LogbookModel } from './model';
import { IMachine, isActive, MachineState } from './records';
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
    if (machinesFailure) {
      return <FailureView failure={machinesFailure} trans={trans} />;
    }
    if (machines === null) {
      return <p className="vml-Empty">{trans.__('Looking for machines…')}</p>;
    }
    if (machines.length === 0) {
      return (
        <p className="vml-Empty">
          {trans.__('No machines. Restoring an entry starts one.')}
        </p>
      );
    }
    const busy = new Set(model.jobs.filter(isActive).map(job => job.subject));
    return (
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
          />
        ))}
      </ul>
    );
  }
}

function MachineItem(props: {
  machine: IMachine;
  busy: boolean;
  trans: TranslationBundle;
  onCommand: (command: string) => void;
}): JSX.Element {
  const { machine, busy, trans, onCommand } = props;
  const { state } = machine;
  const differs = machine.differences.length > 0;
  const name = machine.title || machine.entry;
  const size = trans.__(
    '%1 CPUs, %2 MiB of memory, %3',
    machine.shape.cpus,
    machine.shape.memory_mib,
    machine.accelerator
  );
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
    >
      <div className="vml-Item-head">
        <span className="vml-Item-title" title={name}>
          {name}
        </span>
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
        {state === 'stopped' || state === 'suspended'
          ? action(
              CommandIDs.start,
              'vml-machine-start',
              runIcon,
              trans.__('Start'),
              trans.__('Start “%1”', name)
            )
          : action(
              CommandIDs.stop,
              'vml-machine-stop',
              stopIcon,
              trans.__('Stop'),
              trans.__('Stop “%1”', name)
            )}
        {action(
          CommandIDs.remove,
          'vml-machine-delete',
          deleteIcon,
          trans.__('Delete'),
          trans.__('Delete the machine of “%1”', name)
        )}
      </div>
      <div className="vml-Item-meta" title={size}>
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
        <span>{machine.id}</span>
      </div>
      {differs && (
        <div className="vml-Item-meta vml-Differs" data-testid="vml-differs">
          <span title={machine.label}>{machine.label}</span>
        </div>
      )}
    </li>
  );
}

function stateName(state: MachineState, trans: TranslationBundle): string {
  switch (state) {
    case 'starting':
      return trans.__('starting');
    case 'running':
      return trans.__('running');
    case 'stopped':
      return trans.__('stopped');
    case 'suspended':
      return trans.__('suspended');
    default:
      return trans.__('broken');
  }
}
