/**
 * Whether what an entry needs is still there: as a line for a tooltip, as a badge, and as a list.
 */

import { UseSignal } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { LogbookModel } from './model';
import { IDurability, IEntry, INeed } from './records';

/**
 * 'µCernVM 2021.05-1: on this computer', one line for each need, with the reason where there is one.
 */
export function needsText(
  known: IDurability | undefined,
  trans: TranslationBundle
): string {
  return (known?.needs ?? [])
    .map(need => {
      const said = `${need.label}: ${stateText(need, trans)}`;
      return need.reason ? `${said} (${need.reason})` : said;
    })
    .join('\n');
}

/**
 * Draw what the user should know before restoring; nothing while all is well.
 */
export function GoneBadge(props: {
  known: IDurability | undefined;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { known, trans } = props;
  if (known?.state !== 'gone') {
    return null;
  }
  return (
    <span
      className="vml-Badge vml-mod-gone"
      data-testid="vml-entry-gone"
      title={needsText(known, trans)}
    >
      {trans.__('not all there')}
    </span>
  );
}

const RESTIC = 'restic'; // a name, in every language

/**
 * Say where an entry is from, if from elsewhere, and whether others read it, too.
 */
export function PlaceText(props: {
  entry: IEntry;
  trans: TranslationBundle;
}): JSX.Element {
  const { entry, trans } = props;
  return (
    <>
      {entry.writer === 'restic' && (
        <span
          className="vml-Badge vml-mod-unknown"
          data-testid="vml-writer"
          title={trans.__(
            'restic backed this up; it can be looked at and restored, and is changed by restic alone'
          )}
        >
          {RESTIC}
        </span>
      )}
      {entry.foreign && (
        <span
          className="vml-Badge vml-mod-unknown"
          data-testid="vml-foreign"
          title={trans.__(
            'Imported from somebody else, and not trusted yet (“vml trust” does)'
          )}
        >
          {trans.__('imported')}
        </span>
      )}
      {entry.shared && (
        <span
          className="vml-EntryState"
          data-testid="vml-shared"
          title={trans.__('In a logbook that others may read')}
        >
          {trans.__('shared')}
        </span>
      )}
    </>
  );
}

/**
 * Say whether the release of an entry is on this computer, or comes from elsewhere first.
 */
export function StateText(props: {
  known: IDurability | undefined;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { known, trans } = props;
  const image = known?.needs.find(need => need.kind === 'image');
  if (known?.state !== 'there' || !image) {
    return null;
  }
  const text =
    image.state === 'here'
      ? trans.__('Its CernVM is on this computer')
      : trans.__('Its CernVM can be downloaded');
  return (
    <span
      className="vml-EntryState"
      data-testid="vml-entry-state"
      data-state={image.state}
      role="img"
      title={text}
      aria-label={text}
    >
      {image.state === 'here' ? '✓' : '↓'}
    </span>
  );
}

/**
 * Draw all that an entry needs, with what is known of each.
 */
export function NeedsList(props: {
  known: IDurability;
  trans: TranslationBundle;
}): JSX.Element {
  const { known, trans } = props;
  return (
    <ul className="vml-Needs" data-testid="vml-needs" data-state={known.state}>
      {known.needs.map(need => (
        <li
          key={`${need.kind} ${need.name}`}
          className={`vml-mod-${need.state}`}
        >
          <span>
            {need.label}
            {need.reason && (
              <span className="vml-Needs-reason">{need.reason}</span>
            )}
          </span>
          <span className="vml-Needs-state">{stateText(need, trans)}</span>
        </li>
      ))}
    </ul>
  );
}

/**
 * Draw all that an entry needs as soon as it is known; with `onlyGone` nothing while nothing is gone.
 */
export function EntryNeeds(props: {
  entry: string;
  model: LogbookModel;
  onlyGone?: boolean;
  trans: TranslationBundle;
}): JSX.Element {
  const { entry, model, trans } = props;
  return (
    <UseSignal signal={model.changed}>
      {() => {
        const known = model.durability(entry);
        if (
          !known?.needs.length ||
          (props.onlyGone && known.state !== 'gone')
        ) {
          return null;
        }
        return (
          <section
            className="vml-EntryNeeds"
            aria-label={trans.__('What it needs')}
          >
            <span className="vml-Form-label">{trans.__('What it needs')}</span>
            <GoneBadge known={known} trans={trans} />
            <NeedsList known={known} trans={trans} />
          </section>
        );
      }}
    </UseSignal>
  );
}

function stateText(need: INeed, trans: TranslationBundle): string {
  switch (need.state) {
    case 'here':
      return trans.__('on this computer');
    case 'downloadable':
      return trans.__('can be downloaded');
    case 'there':
      return trans.__('still published');
    case 'gone':
      return trans.__('gone');
    default:
      return trans.__('not known');
  }
}
