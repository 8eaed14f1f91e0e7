/**
 * The dialog of a snapshot: title, note, tags, the release where none is detected, and what will be captured.
 */

import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { InputGroup } from '@jupyterlab/ui-components';
import * as React from 'react';

import { FormDialog } from './form-dialog';
import { tagsOf } from './format';
import { IPreview, ISecrets } from './page-records';
import { PreviewView } from './preview';
import { IEnvironment, IOfferedRelease } from './records';
import { ReleaseSelect } from './releases';
import { SecretsView } from './secrets-view';

export interface ISnapshotForm {
  title: string;
  note: string;
  release: string;
  tags: string[];
  leave_out: string[];
}

export interface ISnapshotFormOptions {
  /** What the fields hold at first. */
  proposed: ISnapshotForm;
  /** Where the user may choose the release; a machine knows its own. */
  release?: {
    environment: Promise<IEnvironment>;
    offered: Promise<IOfferedRelease[]>;
  };
  /** Asks what will be captured. */
  preview?: (signal: AbortSignal) => Promise<IPreview>;
  /** Asks what looks like a secret. */
  secrets?: (signal: AbortSignal) => Promise<ISecrets>;
  /** A better title, once it is known which entry this one continues. */
  betterTitle?: (parent: string, signal: AbortSignal) => Promise<string>;
  /** Tags that other entries have. */
  knownTags: string[];
  trans: TranslationBundle;
}

class SnapshotForm
  extends ReactWidget
  implements Dialog.IBodyWidget<ISnapshotForm>
{
  constructor(private _options: ISnapshotFormOptions) {
    super();
    this._value = { ..._options.proposed };
    this.addClass('vml-Form');
  }

  getValue(): ISnapshotForm {
    return this._value;
  }

  protected render(): JSX.Element {
    return (
      <SnapshotFields
        {...this._options}
        onChange={changed => Object.assign(this._value, changed)}
      />
    );
  }

  private _value: ISnapshotForm;
}

function SnapshotFields(
  props: ISnapshotFormOptions & {
    onChange: (changed: Partial<ISnapshotForm>) => void;
  }
): JSX.Element {
  const { trans, proposed, onChange } = props;
  const [title, setTitle] = React.useState(proposed.title);
  const touched = React.useRef(false);
  const ending = React.useRef(new AbortController());
  React.useEffect(() => () => ending.current.abort(), []);
  const { preview: ask, betterTitle } = props;
  // Nobody's words are overwritten: the better title only takes the place of the proposed one.
  const preview = React.useCallback(
    async (signal: AbortSignal) => {
      const found = await ask!(signal);
      if (found.parent && betterTitle) {
        betterTitle(found.parent, ending.current.signal).then(
          better => {
            if (!touched.current && !ending.current.signal.aborted) {
              setTitle(better);
              onChange({ title: better });
            }
          },
          () => undefined // the heading alone is a title, too
        );
      }
      return found;
    },
    [ask]
  );
  return (
    <>
      <label htmlFor="vml-snapshot-title">{trans.__('Title')}</label>
      <InputGroup
        id="vml-snapshot-title"
        className="vml-Form-title"
        data-testid="vml-title"
        value={title}
        onChange={event => {
          touched.current = true;
          setTitle(event.target.value);
          onChange({ title: event.target.value });
        }}
      />
      <label htmlFor="vml-snapshot-note">{trans.__('Note')}</label>
      <textarea
        id="vml-snapshot-note"
        className="jp-mod-styled"
        data-testid="vml-note"
        rows={2}
        placeholder={trans.__('What is worth remembering (Markdown)')}
        defaultValue={proposed.note}
        onChange={event => onChange({ note: event.target.value })}
      />
      <label htmlFor="vml-snapshot-tags">{trans.__('Tags')}</label>
      <InputGroup
        id="vml-snapshot-tags"
        data-testid="vml-tags"
        list="vml-snapshot-known-tags"
        placeholder={trans.__('Words to find it by, separated by commas')}
        defaultValue={proposed.tags.join(', ')}
        onChange={event => onChange({ tags: tagsOf(event.target.value) })}
      />
      <datalist id="vml-snapshot-known-tags">
        {props.knownTags.map(tag => (
          <option key={tag} value={tag} />
        ))}
      </datalist>
      {props.release ? (
        <ReleaseField
          {...props.release}
          proposed={proposed.release}
          trans={trans}
          onChange={onChange}
        />
      ) : (
        <p className="vml-Form-hint">
          {trans.__(
            'Notebooks that are open in the machine are taken as they were last saved there.'
          )}
        </p>
      )}
      {props.secrets && (
        <SecretsView
          ask={props.secrets}
          trans={trans}
          onChange={leave_out => onChange({ leave_out })}
        />
      )}
      {props.preview && <PreviewView ask={preview} trans={trans} />}
    </>
  );
}

function ReleaseField(props: {
  environment: Promise<IEnvironment>;
  offered: Promise<IOfferedRelease[]>;
  proposed: string;
  trans: TranslationBundle;
  onChange: (changed: Partial<ISnapshotForm>) => void;
}): JSX.Element {
  const { trans, onChange } = props;
  const [release, setRelease] = React.useState(props.proposed);
  const [environment, setEnvironment] = React.useState<IEnvironment | null>(
    null
  );
  React.useEffect(() => {
    props.environment.then(setEnvironment, () => undefined);
  }, [props.environment]);
  const detected = environment?.release_chosen ? null : environment?.release;

  return (
    <>
      <label htmlFor="vml-snapshot-release">{trans.__('CernVM release')}</label>
      {detected ? (
        <span className="vml-Form-detected" data-testid="vml-detected">
          {trans.__('%1, detected', detected.label)}
        </span>
      ) : (
        <ReleaseSelect
          id="vml-snapshot-release"
          value={release}
          none={trans.__('None; choose when restoring')}
          offered={props.offered}
          trans={trans}
          onChange={system => {
            setRelease(system);
            onChange({ release: system });
          }}
        />
      )}
    </>
  );
}

/**
 * Ask for title, note and release; null when the user thought better of it.
 */
export async function askForSnapshot(
  options: ISnapshotFormOptions
): Promise<ISnapshotForm | null> {
  const { trans } = options;
  const dialog = new FormDialog<ISnapshotForm>({
    title: trans.__('Snapshot to the logbook'),
    body: new SnapshotForm(options),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.okButton({ label: trans.__('Take snapshot') })
    ],
    focusNodeSelector: '#vml-snapshot-title'
  });
  dialog.addClass('vml-SnapshotDialog');
  const result = await dialog.launch();
  return result.button.accept ? result.value : null;
}
