/**
 * What looks like a secret in what will be captured, with the choice to leave it out. The secrets are not shown.
 */

import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { ISecret, ISecrets } from './page-records';

/** 'fit.py' -> where in it something was found. */
export function byFile(
  findings: ReadonlyArray<ISecret>
): [string, ISecret[]][] {
  const files = new Map<string, ISecret[]>();
  for (const finding of findings) {
    files.set(finding.path, [...(files.get(finding.path) ?? []), finding]);
  }
  return [...files];
}

export function SecretsView(props: {
  ask: (signal: AbortSignal) => Promise<ISecrets>;
  trans: TranslationBundle;
  /** The files that are to be left out. */
  onChange: (files: string[]) => void;
}): JSX.Element | null {
  const { ask, trans, onChange } = props;
  const [found, setFound] = React.useState<ISecrets | null>(null);
  const [out, setOut] = React.useState<string[]>([]);
  React.useEffect(() => {
    const ending = new AbortController();
    // A snapshot can be taken without this look.
    ask(ending.signal).then(setFound, () => undefined);
    return () => ending.abort();
  }, [ask]);
  if (!found?.found.length) {
    return null;
  }
  const files = byFile(found.found);
  const choose = (file: string, leave: boolean) => {
    const chosen = leave ? [...out, file] : out.filter(one => one !== file);
    setOut(chosen);
    onChange(chosen);
  };
  return (
    <fieldset className="vml-Secrets" data-testid="vml-secrets">
      <legend>
        {trans._n(
          'One file may hold a secret',
          '%1 files may hold secrets',
          files.length
        )}
      </legend>
      <ul>
        {files.map(([file, places]) => (
          <li key={file}>
            <label className="vml-Form-check">
              <input
                type="checkbox"
                data-testid="vml-leave-out"
                checked={out.includes(file)}
                onChange={event => choose(file, event.target.checked)}
              />
              <span>
                {trans.__('Leave out %1', file)}
                <span className="vml-Form-hint">
                  {' '}
                  {places.slice(0, 3).map(where).join('; ')}
                </span>
              </span>
            </label>
          </li>
        ))}
      </ul>
      <span className="vml-Form-hint">
        {!found.unseen.time && !found.unseen.limit
          ? trans.__('What is left out gets a line in .vmlignore.')
          : trans.__(
              'Not all files were looked into. What is left out gets a line in .vmlignore.'
            )}
      </span>
    </fieldset>
  );
}

/** 'private key, line 1'. */
export function where(secret: ISecret): string {
  return [secret.kind, secret.where].filter(Boolean).join(', ');
}
