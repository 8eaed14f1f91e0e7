/**
 * The dialog of a restore: which entry, in which CernVM.
 */

import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { IEntry, IOfferedRelease } from './records';
import { ReleaseSelect } from './releases';

class RestoreForm extends ReactWidget implements Dialog.IBodyWidget<string> {
  constructor(
    private _entry: IEntry,
    private _offered: Promise<IOfferedRelease[]>,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('vml-Form');
  }

  /** The release to use instead of the recorded one; empty for the recorded one. */
  getValue(): string {
    return this._release;
  }

  protected render(): JSX.Element {
    return (
      <RestoreFields
        entry={this._entry}
        offered={this._offered}
        trans={this._trans}
        onChange={release => {
          this._release = release;
        }}
      />
    );
  }

  private _release = '';
}

function RestoreFields(props: {
  entry: IEntry;
  offered: Promise<IOfferedRelease[]>;
  trans: TranslationBundle;
  onChange: (release: string) => void;
}): JSX.Element {
  const { entry, trans } = props;
  const recorded = entry.environment.release;
  const [release, setRelease] = React.useState('');
  const first = React.useRef<HTMLParagraphElement>(null);
  React.useEffect(() => {
    // The dialog looks for fields that lack something when one changes; these are drawn after it looked.
    first.current?.dispatchEvent(new Event('input', { bubbles: true }));
  }, []);
  return (
    <>
      <p className="vml-Form-text" ref={first}>
        {entry.notebook
          ? trans.__(
              'A virtual machine is started, and %1 reopened in it as it was when the snapshot was taken. Your own files stay untouched.',
              entry.notebook
            )
          : trans.__(
              'A virtual machine is started with the files as they were when the snapshot was taken. Your own files stay untouched.'
            )}
      </p>
      <label htmlFor="vml-restore-release">{trans.__('CernVM release')}</label>
      <ReleaseSelect
        id="vml-restore-release"
        value={release}
        none={
          recorded
            ? trans.__('%1, as recorded', recorded.label)
            : trans.__('None recorded; choose one')
        }
        offered={props.offered}
        required={!recorded}
        trans={trans}
        onChange={system => {
          setRelease(system);
          props.onChange(system);
        }}
      />
    </>
  );
}

/**
 * Ask whether and in which release to restore; null when the user thought better of it.
 */
export async function askForRestore(
  entry: IEntry,
  offered: Promise<IOfferedRelease[]>,
  trans: TranslationBundle
): Promise<{ release: string } | null> {
  const dialog = new Dialog<string>({
    title: trans.__('Restore “%1”', entry.title),
    body: new RestoreForm(entry, offered, trans),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.okButton({ label: trans.__('Restore') })
    ],
    focusNodeSelector: entry.environment.release ? '' : '#vml-restore-release'
  });
  dialog.addClass('vml-RestoreDialog');
  const result = await dialog.launch();
  return result.button.accept ? { release: result.value ?? '' } : null;
}
