/**
 * The choice of a CernVM release, filled in when the server has answered.
 */

import { TranslationBundle } from '@jupyterlab/translation';
import { HTMLSelect } from '@jupyterlab/ui-components';
import * as React from 'react';

import { IOfferedRelease } from './records';

/**
 * Draw a select of releases.
 *
 * @param props.none - What the empty choice means.
 * @param props.offered - The releases, still to come.
 */
export function ReleaseSelect(props: {
  id: string;
  value: string;
  none: string;
  offered: Promise<IOfferedRelease[]>;
  trans: TranslationBundle;
  required?: boolean;
  onChange: (system: string) => void;
}): JSX.Element {
  const { trans } = props;
  const [offered, setOffered] = React.useState<IOfferedRelease[] | null>(null);
  const [refused, setRefused] = React.useState('');
  React.useEffect(() => {
    props.offered.then(setOffered, reason => {
      setOffered([]);
      setRefused(reason.message);
    });
  }, [props.offered]);

  // A version that was chosen before stays a choice while, or though, the list does not have it.
  const unlisted =
    props.value && !offered?.some(release => release.system === props.value);
  return (
    <>
      <HTMLSelect
        id={props.id}
        data-testid="vml-release"
        value={props.value}
        required={props.required}
        onChange={event => props.onChange(event.target.value)}
        aria-busy={offered === null}
      >
        <option value="">{props.none}</option>
        {unlisted && (
          <option value={props.value}>{`CernVM ${props.value}`}</option>
        )}
        {offered?.map(release => (
          <option key={release.system} value={release.system}>
            {release.here
              ? trans.__('%1 (on this computer)', release.label)
              : release.label}
          </option>
        ))}
      </HTMLSelect>
      {offered === null && (
        <span className="vml-Form-hint">
          {trans.__('Looking for releases…')}
        </span>
      )}
      {offered?.length === 0 && !refused && (
        <span className="vml-Form-hint">
          {trans.__(
            'No release was found on this computer, and no release repository answers.'
          )}
        </span>
      )}
      {refused && <span className="vml-Form-hint">{refused}</span>}
    </>
  );
}
