/**
 * A machine's standard snapshots as the tree that they are, with the place at which the machine goes on.
 */

import * as React from 'react';

import { FailureView } from './failures';
import { ago, bytes } from './format';
import { useAnswer } from './page-context';
import { IMachine, isActive, IStandardSnapshot } from './records';
import { CommandIDs } from './tokens';

import type { IMachinePageOptions } from './machine-page';

/** One snapshot and what grew out of it. */
export interface ITwig {
  snapshot: IStandardSnapshot;
  grown: ITwig[];
}

/**
 * Snapshots, parents before children -> their tree; one whose parent is not there any more is a root.
 */
export function treeOf(snapshots: ReadonlyArray<IStandardSnapshot>): ITwig[] {
  const twigs = new Map<string, ITwig>();
  const roots: ITwig[] = [];
  for (const snapshot of snapshots) {
    const twig = { snapshot, grown: [] };
    twigs.set(snapshot.name, twig);
    (twigs.get(snapshot.parent ?? '')?.grown ?? roots).push(twig);
  }
  return roots;
}

export function StandardView(
  props: IMachinePageOptions & { known: IMachine; busy: boolean }
): JSX.Element {
  const { known, model, commands, busy, trans } = props;
  const [name, setName] = React.useState('');
  // Asked again whenever a job of this machine ends.
  const active = model.jobs.filter(
    job => job.subject === known.id && isActive(job)
  ).length;
  const answer = useAnswer(
    () => model.api.standard(known.id),
    [known.id, known.state, active]
  );
  const last = React.useRef<IStandardSnapshot[] | null>(null);
  last.current = answer.value ?? last.current;
  if (answer.refused) {
    return <FailureView failure={answer.refused} trans={trans} />;
  }
  const take = (event: React.FormEvent) => {
    event.preventDefault();
    void commands
      .execute(CommandIDs.takeStandard, { machine: known.id, name })
      .then(() => setName(''));
  };
  const run = (command: string, of: string) =>
    void commands.execute(command, { machine: known.id, name: of });
  const twigs = treeOf(last.current ?? []);
  return (
    <>
      <p className="vml-Hint">
        {trans.__(
          'A standard snapshot keeps the machine’s disk and memory, running kernels included. It stays on this computer and goes with the machine.'
        )}
      </p>
      {last.current && twigs.length === 0 && (
        <p className="vml-Hint">{trans.__('None taken yet.')}</p>
      )}
      <Twigs twigs={twigs} busy={busy} run={run} trans={trans} />
      <form className="vml-Standard-take" onSubmit={take}>
        <input
          className="jp-mod-styled"
          data-testid="vml-standard-name"
          aria-label={trans.__('Name of a new standard snapshot')}
          placeholder={trans.__('Name (the time if empty)')}
          pattern="[0-9A-Za-z._\-]*"
          title={trans.__('Letters, digits, dots, lines')}
          maxLength={60}
          value={name}
          onChange={event => setName(event.target.value)}
        />
        <button
          className="jp-Button jp-mod-styled jp-mod-accept"
          data-testid="vml-standard-take"
          disabled={busy || known.state !== 'running'}
        >
          {trans.__('Take')}
        </button>
      </form>
    </>
  );
}

function Twigs(props: {
  twigs: ITwig[];
  busy: boolean;
  run: (command: string, name: string) => void;
  trans: IMachinePageOptions['trans'];
}): JSX.Element | null {
  const { twigs, busy, run, trans } = props;
  if (!twigs.length) {
    return null;
  }
  const act = (command: string, label: string, name: string, about: string) => (
    <button
      className="jp-Button jp-mod-minimal vml-TextButton"
      data-command={command}
      disabled={busy}
      aria-label={about}
      onClick={() => run(command, name)}
    >
      {label}
    </button>
  );
  return (
    <ul className="vml-Twigs">
      {twigs.map(({ snapshot, grown }) => {
        const { name, current, created, memory_bytes: memory } = snapshot;
        const facts = [
          created ? ago(created) : '',
          memory ? bytes(memory) : ''
        ];
        return (
          <li
            key={name}
            data-testid="vml-standard"
            data-name={name}
            aria-current={current ? 'true' : undefined}
          >
            <div className="vml-Twig">
              <span className="vml-Twig-name">{name}</span>
              {current && (
                <span className="vml-Badge">{trans.__('goes on here')}</span>
              )}
              <span className="vml-Hint">
                {facts.filter(Boolean).join(' · ')}
              </span>
              {act(
                CommandIDs.revert,
                trans.__('Revert…'),
                name,
                trans.__('Revert to “%1”', name)
              )}
              {act(
                CommandIDs.removeStandard,
                trans.__('Delete…'),
                name,
                trans.__('Delete “%1”', name)
              )}
            </div>
            <Twigs twigs={grown} busy={busy} run={run} trans={trans} />
          </li>
        );
      })}
    </ul>
  );
}
