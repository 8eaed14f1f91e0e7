/**
 * Jobs that are under way or failed, above the lists.
 */

import { ReactWidget, UseSignal } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { closeIcon } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import * as React from 'react';

import { FailureView } from './failures';
import { amount, fraction, jobTitle, remainingText, subject } from './format';
import { LogbookModel } from './model';
import { IJob, isActive } from './records';
import { retryOf } from './retry';
import { CommandIDs } from './tokens';

export class JobsView extends ReactWidget {
  constructor(
    private _model: LogbookModel,
    private _commands: CommandRegistry,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('vml-Jobs');
  }

  protected render(): JSX.Element {
    const { _model: model, _commands: commands, _trans: trans } = this;
    return (
      <UseSignal signal={model.changed}>
        {() => {
          const shown = model.jobs.filter(
            job => isActive(job) || job.state === 'failed'
          );
          return (
            <>
              {model.lost && (
                <div className="vml-Lost" role="status" data-testid="vml-lost">
                  {trans.__('%1. Trying again by itself…', model.lost.message)}
                </div>
              )}
              <ul aria-label={trans.__('Jobs')}>
                {shown.map(job => (
                  <JobItem
                    key={job.id}
                    job={job}
                    name={subject(
                      job,
                      model.entries ?? [],
                      model.machines ?? []
                    )}
                    trans={trans}
                    onRun={(command, args) =>
                      void commands.execute(command, args)
                    }
                    onEnd={() =>
                      void commands.execute(CommandIDs.endJob, { job: job.id })
                    }
                  />
                ))}
              </ul>
            </>
          );
        }}
      </UseSignal>
    );
  }
}

function JobItem(props: {
  job: IJob;
  name: string;
  trans: TranslationBundle;
  onEnd: () => void;
  onRun: (command: string, args: ReadonlyPartialJSONObject) => void;
}): JSX.Element {
  const { job, trans } = props;
  const retry = retryOf(job, trans);
  const title = jobTitle(job, props.name, trans);
  const end = isActive(job)
    ? trans.__('Cancel: %1', title)
    : trans.__('Dismiss: %1', title);
  return (
    <li
      className="vml-Job"
      data-testid="vml-job"
      data-job-id={job.id}
      data-kind={job.kind}
      data-state={job.state}
    >
      <div className="vml-Item-head">
        <span className="vml-Item-title" title={title}>
          {title}
        </span>
        <button
          className="jp-Button jp-mod-minimal vml-IconButton"
          data-testid="vml-job-end"
          title={end}
          aria-label={end}
          onClick={props.onEnd}
        >
          <closeIcon.react tag="span" />
        </button>
      </div>
      {isActive(job) ? (
        <JobProgress job={job} trans={trans} />
      ) : (
        job.error && (
          <>
            <FailureView failure={job.error} trans={trans} />
            {retry && (
              <button
                className="jp-Button jp-mod-styled jp-mod-accept vml-Retry"
                data-testid="vml-job-retry"
                onClick={() => props.onRun(retry.command, retry.args)}
              >
                {retry.label}
              </button>
            )}
          </>
        )
      )}
    </li>
  );
}

function JobProgress(props: {
  job: IJob;
  trans: TranslationBundle;
}): JSX.Element {
  const { job, trans } = props;
  const stage = job.stages[job.stages.length - 1];
  const far = fraction(stage);
  return (
    <>
      <div className="vml-Item-meta">
        <span data-testid="vml-job-stage" role="status">
          {stage?.title ?? trans.__('Waiting for its turn')}
        </span>
        {stage && <span>{amount(stage, trans)}</span>}
        <span data-testid="vml-job-left">{remainingText(job, trans)}</span>
      </div>
      <progress
        className="vml-Progress"
        aria-label={stage?.title ?? ''}
        {...(far === null ? {} : { value: far, max: 1 })}
      />
    </>
  );
}
