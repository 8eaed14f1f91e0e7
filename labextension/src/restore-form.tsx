/**
 * The dialog of a restore: which entry, in which CernVM.
 */

import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { NeedsList } from './durability';
import {
  IDurability,
  IEntry,
  IHostShape,
  IOfferedRelease,
  IRestoreRequest
} from './records';
import { ReleaseSelect } from './releases';
import { ShapeFields } from './shape-fields';

/**
 * Which CernVM a machine is to be, and how large where it is to be here.
 */
export class RestoreForm
  extends ReactWidget
  implements Dialog.IBodyWidget<IRestoreRequest>
{
  /**
   * @param _host - Null for a machine on another computer.
   */
  constructor(
    private _entry: IEntry,
    private _text: string,
    private _offered: Promise<IOfferedRelease[]>,
    private _known: Promise<IDurability | undefined>,
    private _host: Promise<IHostShape> | null,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('vml-Form');
  }

  getValue(): IRestoreRequest {
    return this._asked ?? asRecorded(this._entry);
  }

  protected render(): JSX.Element {
    return (
      <RestoreFields
        entry={this._entry}
        text={this._text}
        offered={this._offered}
        known={this._known}
        host={this._host}
        trans={this._trans}
        onChange={asked => {
          this._asked = asked;
        }}
      />
    );
  }

  private _asked: IRestoreRequest | null = null;
}

function RestoreFields(props: {
  entry: IEntry;
  text: string;
  offered: Promise<IOfferedRelease[]>;
  known: Promise<IDurability | undefined>;
  host: Promise<IHostShape> | null;
  trans: TranslationBundle;
  onChange: (asked: IRestoreRequest) => void;
}): JSX.Element {
  const { entry, trans } = props;
  const recorded = entry.environment.release;
  const [asked, setAsked] = React.useState<IRestoreRequest>(asRecorded(entry));
  const [here, setHere] = React.useState<IOfferedRelease[]>([]);
  React.useEffect(() => {
    // The list of choices tells why it is empty.
    props.offered.then(setHere, () => undefined);
  }, [props.offered]);
  const [known, setKnown] = React.useState<IDurability | null>(null);
  const change = (changed: Partial<IRestoreRequest>) => {
    setAsked({ ...asked, ...changed });
    props.onChange({ ...asked, ...changed });
  };
  const first = React.useRef<HTMLParagraphElement>(null);
  React.useEffect(() => {
    // Restoring says itself what is missing, so a failure to know it before is none.
    props.known.then(told => setKnown(told ?? null)).catch(() => undefined);
  }, [props.known]);
  React.useEffect(() => {
    // The dialog looks for fields that lack something when one changes; these are drawn after it looked.
    first.current?.dispatchEvent(new Event('input', { bubbles: true }));
  }, [known]);
  const gone = known?.needs.filter(need => need.state === 'gone') ?? [];
  const loose = gone.filter(need => need.kind === 'repository');
  const releaseGone = gone.length > loose.length;
  return (
    <>
      <p className="vml-Form-text" ref={first}>
        {props.text}
      </p>
      <label htmlFor="vml-restore-release">{trans.__('CernVM release')}</label>
      <ReleaseSelect
        id="vml-restore-release"
        value={asked.release}
        none={
          recorded
            ? releaseGone
              ? trans.__('%1, as recorded, is gone', recorded.label)
              : trans.__('%1, as recorded', recorded.label)
            : trans.__('None recorded; choose one')
        }
        offered={props.offered}
        required={!recorded || releaseGone}
        trans={trans}
        onChange={release => change({ release })}
      />
      <span className="vml-Form-hint" data-testid="vml-meaning" role="status">
        {meaning(entry, asked.release, here, trans, releaseGone)}
      </span>
      {props.host && (
        <ShapeFields
          host={props.host}
          trans={trans}
          onChange={shape => change({ shape })}
        />
      )}
      {known && known.needs.length > 0 && (
        <>
          <span className="vml-Form-label">{trans.__('What it needs')}</span>
          <NeedsList known={known} trans={trans} />
        </>
      )}
      {loose.map(need => (
        <label key={need.name} className="vml-Form-check">
          <input
            type="checkbox"
            required
            data-testid="vml-without-pin"
            checked={asked.without_pins.includes(need.name)}
            onChange={event =>
              change({
                without_pins: event.target.checked
                  ? [...asked.without_pins, need.name]
                  : asked.without_pins.filter(name => name !== need.name)
              })
            }
          />
          {trans.__('Use the newest %1 instead', need.name)}
        </label>
      ))}
    </>
  );
}

function asRecorded(entry: IEntry): IRestoreRequest {
  const recorded = entry.environment.release?.system ?? '';
  return { release: '', without_pins: [], shape: null, recorded };
}

/**
 * What it means to restore in a release: the recorded one where `chosen` is empty.
 *
 * @param gone - Whether the recorded one cannot be had as it was.
 */
export function meaning(
  entry: IEntry,
  chosen: string,
  offered: ReadonlyArray<IOfferedRelease>,
  trans: TranslationBundle,
  gone = false
): string {
  const recorded = entry.environment.release;
  const system = chosen || recorded?.system || '';
  if (!system) {
    return trans.__(
      'The entry does not say which CernVM it ran in, so no choice is wrong; the newest is likely to run it.'
    );
  }
  const there = offered.find(release => release.system === system);
  const load =
    there && !there.here ? trans.__('Its image is downloaded first.') : '';
  if (recorded && system === recorded.system && chosen && gone) {
    const anew = trans.__(
      'Not what was recorded: what is published as CernVM %1 by now has another system or bootloader, so results may differ. The machine says so for as long as it lives; the entry stays as it is.',
      system
    );
    return [anew, load].filter(Boolean).join(' ');
  }
  if (!recorded || system === recorded.system) {
    return load;
  }
  const other = trans.__(
    'Not what was recorded: operating system, compilers and libraries are those of CernVM %1 instead of %2, so results may differ. The machine says so for as long as it lives; the entry stays as it is.',
    system,
    recorded.system
  );
  return [other, load].filter(Boolean).join(' ');
}

/**
 * Ask whether and in which release to restore; null when the user thought better of it.
 *
 * @param known - How it stands with the entry, still to come.
 * @param host - How large machines can be, still to come.
 */
export async function askForRestore(
  entry: IEntry,
  offered: Promise<IOfferedRelease[]>,
  known: Promise<IDurability | undefined>,
  host: Promise<IHostShape>,
  trans: TranslationBundle
): Promise<IRestoreRequest | null> {
  const text = entry.notebook
    ? trans.__(
        'A virtual machine is started, and %1 reopened in it as it was when the snapshot was taken. Your own files stay untouched.',
        entry.notebook
      )
    : trans.__(
        'A virtual machine is started with the files as they were when the snapshot was taken. Your own files stay untouched.'
      );
  const dialog = new Dialog<IRestoreRequest>({
    title: trans.__('Restore “%1”', entry.title),
    body: new RestoreForm(entry, text, offered, known, host, trans),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.okButton({ label: trans.__('Restore') })
    ],
    focusNodeSelector: entry.environment.release ? '' : '#vml-restore-release'
  });
  dialog.addClass('vml-RestoreDialog');
  const result = await dialog.launch();
  return result.button.accept ? result.value : null;
}
