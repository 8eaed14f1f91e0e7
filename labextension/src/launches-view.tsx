/**
 * The machines that launchers started on other computers, as far as those tell.
 */

import { TranslationBundle } from '@jupyterlab/translation';
import { deleteIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { ago } from './format';
import { isEnded, moment, stageName, standing } from './launch-words';
import { ILaunch } from './records';

export function Launches(props: {
  launches: ReadonlyArray<ILaunch>;
  trans: TranslationBundle;
  onForget: (launch: ILaunch) => void;
  onEntry: (launch: ILaunch) => void;
}): JSX.Element | null {
  const { launches, trans } = props;
  if (launches.length === 0) {
    return null;
  }
  return (
    <section aria-label={trans.__('On other computers')}>
      <h3 className="vml-Launches-title">{trans.__('On other computers')}</h3>
      <ul className="vml-List">
        {launches.map(launch => (
          <LaunchItem
            key={launch.id}
            launch={launch}
            trans={trans}
            onForget={() => props.onForget(launch)}
            onEntry={() => props.onEntry(launch)}
          />
        ))}
      </ul>
    </section>
  );
}

function LaunchItem(props: {
  launch: ILaunch;
  trans: TranslationBundle;
  onForget: () => void;
  onEntry: () => void;
}): JSX.Element {
  const { launch, trans } = props;
  const name = launch.title || launch.entry;
  const seen = new Date(launch.seen * 1000).toISOString();
  return (
    <li
      className="vml-Item"
      data-testid="vml-launch"
      data-machine-id={launch.id}
      data-state={launch.state}
    >
      <div className="vml-Item-head">
        <button className="vml-Item-title" title={name} onClick={props.onEntry}>
          {name}
        </button>
        <button
          className="jp-Button jp-mod-minimal vml-IconButton"
          data-testid="vml-launch-forget"
          title={trans.__('Forget')}
          aria-label={trans.__('Forget the machine of “%1” elsewhere', name)}
          onClick={props.onForget}
        >
          <deleteIcon.react tag="span" />
        </button>
      </div>
      <div className="vml-Item-meta">
        <span className={`vml-State vml-mod-${standing(launch)}`}>
          {stageName(launch.state, trans)}
        </span>
        <span className="vml-Badge" title={launch.label}>
          {launch.label}
        </span>
      </div>
      {launch.differences.length > 0 && (
        <div className="vml-Item-meta vml-Differs">
          <span>{trans.__('not as recorded')}</span>
        </div>
      )}
      <div className="vml-Item-meta">
        <span title={moment(launch.seen)}>
          {isEnded(launch)
            ? trans.__('ended %1', ago(seen))
            : trans.__('heard of %1', ago(seen))}
        </span>
        {launch.accelerator && <span>{launch.accelerator}</span>}
      </div>
      {launch.stages.length > 0 && (
        <details className="vml-Launch-stages">
          <summary>{trans.__('Stages')}</summary>
          <ol>
            {launch.stages.map((stage, index) => (
              <li
                key={index}
                className="vml-Launch-stage"
                data-stage={stage.name}
              >
                <time>{moment(stage.time)}</time>
                <span>{stageName(stage.name, trans)}</span>
              </li>
            ))}
          </ol>
        </details>
      )}
    </li>
  );
}
