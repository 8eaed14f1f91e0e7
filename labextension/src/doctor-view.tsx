/**
 * What the server's computer lacks for machines, and how to mend it.
 */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { IApi } from './api';
import { FailureView } from './failures';
import { failure } from './model';
import { IFailure, IFinding, IReport } from './records';
import { CommandIDs } from './tokens';

export function addDoctor(
  commands: CommandRegistry,
  api: Pick<IApi, 'doctor'>,
  trans: TranslationBundle
): void {
  commands.addCommand(CommandIDs.doctor, {
    label: trans.__('Check This Computer for Machines'),
    caption: trans.__(
      'Try what a restore needs of the server’s computer, and say how to mend what is missing'
    ),
    describedBy: { args: { type: 'object', properties: {} } },
    execute: async () => {
      await showDialog({
        title: trans.__('What machines need of this computer'),
        body: <DoctorView api={api} trans={trans} />,
        buttons: [Dialog.okButton({ label: trans.__('Close') })]
      });
    }
  });
}

function DoctorView(props: {
  api: Pick<IApi, 'doctor'>;
  trans: TranslationBundle;
}): JSX.Element {
  const { api, trans } = props;
  const [report, setReport] = React.useState<IReport | null>(null);
  const [refused, setRefused] = React.useState<IFailure | null>(null);
  React.useEffect(() => {
    api.doctor().then(setReport, reason => setRefused(failure(reason)));
  }, [api]);
  if (refused) {
    return <FailureView failure={refused} trans={trans} />;
  }
  if (!report) {
    return <p role="status">{trans.__('Trying what a restore needs…')}</p>;
  }
  return (
    <div
      className="vml-Doctor"
      data-testid="vml-doctor"
      role="region"
      aria-label={trans.__('What was found')}
      tabIndex={0}
    >
      <p role="status">
        {report.can_restore
          ? trans.__('Entries can be restored in machines here.')
          : trans.__('No machine can be started here yet.')}
      </p>
      <table>
        <tbody>
          {sorted(report.findings).map(finding => (
            <tr key={finding.what} data-verdict={finding.verdict}>
              <th scope="row">{finding.what}</th>
              <td className={`vml-mod-${finding.verdict}`}>
                {verdict(finding, trans)}
              </td>
              <td>
                {finding.why}
                {finding.fix && (
                  <div className="vml-Doctor-fix">{finding.fix}</div>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/**
 * What is missing first, what is good last.
 */
export function sorted(findings: ReadonlyArray<IFinding>): IFinding[] {
  const rank = { missing: 0, limited: 1, good: 2 };
  return [...findings].sort((a, b) => rank[a.verdict] - rank[b.verdict]);
}

function verdict(finding: IFinding, trans: TranslationBundle): string {
  switch (finding.verdict) {
    case 'good':
      return trans.__('good');
    case 'limited':
      return trans.__('limited');
    case 'missing':
      return trans.__('missing');
  }
}
