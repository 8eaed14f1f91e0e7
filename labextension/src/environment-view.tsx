/**
 * What an entry ran in.
 */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { folded } from './search';
import { IWholeEnvironment } from './page-records';

export function EnvironmentView(props: {
  environment: IWholeEnvironment;
  trans: TranslationBundle;
}): JSX.Element {
  const { environment: said, trans } = props;
  const release = said.release?.label ?? trans.__('none');
  const chosen = said.release_chosen ? ` (${trans.__('chosen')})` : '';
  const git = said.git;
  const facts: [string, string | undefined][] = [
    [trans.__('Release'), release + chosen],
    [trans.__('Bootloader'), said.release?.bootloader],
    [trans.__('System'), said.os],
    [trans.__('Kernel'), said.kernel],
    [trans.__('Architecture'), said.architecture],
    [trans.__('Processor'), said.cpu],
    [trans.__('Container'), said.container],
    [trans.__('Python'), said.python],
    [trans.__('Interpreter'), said.interpreter],
    [trans.__('Kernelspec'), said.kernelspec],
    [
      trans.__('git'),
      git ? [git.branch, git.commit?.slice(0, 12), git.state].join(' ') : ''
    ]
  ];
  const software = said.software?.map(one => [
    one.name,
    [one.version, one.platform].filter(Boolean).join(' ')
  ]);
  const mounts = said.cvmfs?.map(mount => [
    mount.path,
    [mount.tag, mount.revision && trans.__('revision %1', mount.revision)]
      .filter(Boolean)
      .join(', ')
  ]);
  return (
    <div className="vml-Environment">
      <table className="vml-Table" data-testid="vml-environment">
        <tbody>
          {facts
            .filter(([, value]) => value)
            .map(([name, value]) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{value}</td>
              </tr>
            ))}
        </tbody>
      </table>
      <Section title={trans.__('Software')} rows={software} trans={trans} />
      <Section title={trans.__('CernVM-FS')} rows={mounts} trans={trans} />
      <Section
        title={trans.__('Packages')}
        rows={Object.entries(said.packages ?? {})}
        trans={trans}
      />
      <Section
        title={trans.__('Variables')}
        rows={Object.entries(said.variables ?? {})}
        trans={trans}
      />
      {said.notes?.map(note => (
        <p key={note} className="vml-Hint">
          {note}
        </p>
      ))}
    </div>
  );
}

function Section(props: {
  title: string;
  rows: string[][] | undefined;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { title, rows, trans } = props;
  const [words, setWords] = React.useState('');
  if (!rows?.length) {
    return null;
  }
  const sought = folded(words);
  const found = rows.filter(row => folded(row.join(' ')).includes(sought));
  return (
    <details className="vml-Section-details">
      <summary>{`${title} (${rows.length})`}</summary>
      {rows.length > 20 && (
        <input
          type="search"
          className="jp-mod-styled"
          placeholder={trans.__('Search')}
          aria-label={trans.__('Search in %1', title)}
          onChange={event => setWords(event.target.value)}
        />
      )}
      <table className="vml-Table">
        <tbody>
          {found.map(([name, value]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{value}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
