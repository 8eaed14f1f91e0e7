/**
 * How a failure looks: what is wrong, what to do, and the machine's last words on demand.
 */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { failure } from './model';
import { IFailure } from './records';

/**
 * Draw a failure as part of a list, a panel or a dialog.
 */
export function FailureView(props: {
  failure: IFailure;
  trans: TranslationBundle;
  /** What the user may do about it right there. */
  action?: { label: string; run: () => void };
}): JSX.Element {
  const { message, hint, console } = props.failure;
  const { action } = props;
  return (
    <div className="vml-Failure" role="alert">
      <div className="vml-Failure-message">{message}</div>
      {hint && <div className="vml-Failure-hint">{hint}</div>}
      {console && (
        <details className="vml-Failure-console">
          <summary>{props.trans.__('Console of the machine')}</summary>
          <pre>{console}</pre>
        </details>
      )}
      {action && (
        <button
          className="jp-Button jp-mod-styled jp-mod-reject vml-Retry"
          data-testid="vml-failure-action"
          onClick={action.run}
        >
          {action.label}
        </button>
      )}
    </div>
  );
}

/**
 * Show a failure in a dialog.
 */
export async function showFailure(
  title: string,
  reason: unknown,
  trans: TranslationBundle
): Promise<void> {
  await showDialog({
    title,
    body: <FailureView failure={failure(reason)} trans={trans} />,
    buttons: [Dialog.okButton({ label: trans.__('Close') })]
  });
}
