/**
 * Export an entry into one file: ask where, and what is to become of what looks like a secret.
 */

import { Dialog, ReactWidget } from '@jupyterlab/apputils';
import { PathExt } from '@jupyterlab/coreutils';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { TranslationBundle } from '@jupyterlab/translation';
import { fileIcon, InputGroup } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { FailureView, showFailure } from './failures';
import { FormDialog } from './form-dialog';
import { failure, LogbookModel } from './model';
import { PageApi } from './page-api';
import { IExportRequest, ISecrets } from './page-records';
import { IEntry, IFailure } from './records';
import { byFile, where } from './secrets-view';
import { CommandIDs } from './tokens';
import { known, vanished } from './vanished';

/** What a finding in the entry's own record is said to be in. */
const RECORD = 'entry.json';

export function addExport(
  commands: CommandRegistry,
  model: LogbookModel,
  page: PageApi,
  browser: IFileBrowserFactory | null,
  trans: TranslationBundle
): void {
  commands.addCommand(CommandIDs.exportEntry, {
    label: trans.__('Export…'),
    caption: trans.__('Write this entry into one file, for somebody else'),
    icon: fileIcon,
    describedBy: {
      args: {
        type: 'object',
        properties: {
          entry: { type: 'string', description: 'The id of the entry' }
        },
        required: ['entry']
      }
    },
    isEnabled: args =>
      model.entries?.find(one => one.id === args.entry)?.writer !== 'restic',
    execute: async args => {
      const title = trans.__('The entry was not exported');
      const entry = await known(model, args.entry as string);
      if (!entry) {
        await vanished(title, args.entry as string, trans);
        return;
      }
      const folder = browser?.tracker.currentWidget?.model.path ?? '';
      const local = folder.slice(folder.indexOf(':') + 1);
      let asked: IExportRequest | null = {
        to: PathExt.join(local, proposedFile(entry)),
        leave_out: false,
        allow_secrets: false,
        with_release: false
      };
      let refused: IFailure | null = null;
      while ((asked = await askForExport(entry, asked, refused, page, trans))) {
        try {
          model.track(await page.exportEntry(entry.id, asked));
          return;
        } catch (reason) {
          refused = failure(reason);
          if (!['would-overwrite', 'bad-area'].includes(refused.code)) {
            await showFailure(title, reason, trans);
            return;
          }
        }
      }
    }
  });
}

/**
 * 'Higgs fit: 2nd try' -> 'higgs-fit-2nd-try.vml'.
 */
export function proposedFile(entry: IEntry): string {
  const words = entry.title
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .match(/[a-z0-9]+/g);
  return `${words?.join('-').slice(0, 60) || entry.id}.vml`;
}

class ExportForm
  extends ReactWidget
  implements Dialog.IBodyWidget<IExportRequest>
{
  constructor(
    private _options: Omit<IFieldsOptions, 'onChange'>,
    private _refused: IFailure | null
  ) {
    super();
    this._asked = _options.asked;
    this.addClass('vml-Form');
  }

  getValue(): IExportRequest {
    return this._asked;
  }

  protected render(): JSX.Element {
    return (
      <>
        {this._refused && (
          <FailureView failure={this._refused} trans={this._options.trans} />
        )}
        <ExportFields
          {...this._options}
          onChange={asked => {
            this._asked = asked;
          }}
        />
      </>
    );
  }

  private _asked: IExportRequest;
}

interface IFieldsOptions {
  entry: IEntry;
  asked: IExportRequest;
  page: PageApi;
  trans: TranslationBundle;
  onChange: (asked: IExportRequest) => void;
}

function ExportFields(props: IFieldsOptions): JSX.Element {
  const { entry, page, trans } = props;
  const [asked, setAsked] = React.useState(props.asked);
  const [found, setFound] = React.useState<ISecrets | null>(null);
  const [refused, setRefused] = React.useState<IFailure | null>(null);
  const first = React.useRef<HTMLParagraphElement>(null);
  React.useEffect(() => {
    const ending = new AbortController();
    page.entrySecrets(entry.id, ending.signal).then(setFound, reason => {
      if (!ending.signal.aborted) {
        setRefused(failure(reason));
      }
    });
    return () => ending.abort();
  }, [entry.id]);
  React.useEffect(() => {
    // The dialog looks for fields that lack something when one changes; these are drawn after it looked.
    first.current?.dispatchEvent(new Event('input', { bubbles: true }));
  }, [found]);
  const change = (changed: Partial<IExportRequest>) => {
    setAsked({ ...asked, ...changed });
    props.onChange({ ...asked, ...changed });
  };
  return (
    <>
      <p className="vml-Form-text" ref={first}>
        {trans.__(
          'One file, which “vml import” takes into another logbook, and which restic reads without this program. Your own logbook’s password is not in it.'
        )}
      </p>
      <label htmlFor="vml-export-to">
        {trans.__('New file, in the file browser')}
      </label>
      <InputGroup
        id="vml-export-to"
        data-testid="vml-export-to"
        defaultValue={asked.to}
        onChange={event => change({ to: event.target.value })}
      />
      {entry.environment.release && (
        <label className="vml-Form-check">
          <input
            type="checkbox"
            data-testid="vml-export-release"
            checked={asked.with_release}
            onChange={event => change({ with_release: event.target.checked })}
          />
          {trans.__(
            'With the image of %1, for who cannot download it',
            entry.environment.release.label
          )}
        </label>
      )}
      {refused && <FailureView failure={refused} trans={trans} />}
      {!found && !refused && (
        <span className="vml-Form-hint" role="status">
          {trans.__('Looking for secrets in the entry…')}
        </span>
      )}
      {found && (
        <Secrets found={found} asked={asked} trans={trans} onChange={change} />
      )}
    </>
  );
}

function Secrets(props: {
  found: ISecrets;
  asked: IExportRequest;
  trans: TranslationBundle;
  onChange: (changed: Partial<IExportRequest>) => void;
}): JSX.Element {
  const { found, asked, trans, onChange } = props;
  const unseen = Object.values(found.unseen).reduce((sum, one) => sum + one, 0);
  const notSeen = unseen
    ? trans._n(
        'One file was not looked through, or not to its end.',
        '%1 files were not looked through, or not to their end.',
        unseen
      )
    : '';
  if (!found.found.length) {
    return (
      <span className="vml-Form-hint" data-testid="vml-export-clean">
        {[trans.__('Nothing in it looks like a secret.'), notSeen]
          .filter(Boolean)
          .join(' ')}
      </span>
    );
  }
  const files = byFile(found.found);
  const choice = (name: 'leave_out' | 'allow_secrets', label: string) => (
    <label className="vml-Form-check">
      <input
        type="radio"
        name="vml-export-secrets"
        required
        data-testid={`vml-export-${name}`}
        checked={asked[name]}
        onChange={() =>
          onChange({
            leave_out: name === 'leave_out',
            allow_secrets: name === 'allow_secrets'
          })
        }
      />
      {label}
    </label>
  );
  return (
    <fieldset className="vml-Secrets" data-testid="vml-export-secrets">
      <legend>
        {trans._n(
          'One file may hold a secret',
          '%1 files may hold secrets',
          files.length
        )}
      </legend>
      <ul className="vml-Secrets-list" tabIndex={0}>
        {files.map(([file, places]) => (
          <li key={file}>
            {file === RECORD
              ? trans.__('what is written about the entry itself')
              : file}
            <span className="vml-Form-hint">
              {' '}
              {places.slice(0, 3).map(where).join('; ')}
            </span>
          </li>
        ))}
      </ul>
      {choice('leave_out', trans.__('Leave them out of the file'))}
      {choice('allow_secrets', trans.__('Export them all the same'))}
      {notSeen && <span className="vml-Form-hint">{notSeen}</span>}
    </fieldset>
  );
}

async function askForExport(
  entry: IEntry,
  asked: IExportRequest,
  refused: IFailure | null,
  page: PageApi,
  trans: TranslationBundle
): Promise<IExportRequest | null> {
  const dialog = new FormDialog<IExportRequest>({
    title: trans.__('Export “%1”', entry.title),
    body: new ExportForm({ entry, asked, page, trans }, refused),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.okButton({ label: trans.__('Export') })
    ],
    focusNodeSelector: '#vml-export-to'
  });
  dialog.addClass('vml-ExportDialog');
  const result = await dialog.launch();
  return result.button.accept ? result.value : null;
}
