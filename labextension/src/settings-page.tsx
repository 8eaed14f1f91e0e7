/**
 * The user's settings: what each is for, what it is, who says so, and a field to change it.
 */

import { ReactWidget } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { FailureView } from './failures';
import { failure } from './model';
import { useAnswer } from './page-context';
import { PageApi } from './page-api';
import { ISetting } from './page-records';
import { IFailure } from './records';

export interface ISettingsOptions {
  page: PageApi;
  trans: TranslationBundle;
  /** Something was changed that lists may depend on. */
  onChange: () => void;
}

export class SettingsPage extends ReactWidget {
  constructor(private _options: ISettingsOptions) {
    super();
    this.addClass('vml-Page');
    this.addClass('vml-SettingsPage');
    this.title.label = _options.trans.__('Logbook Settings');
  }

  protected render(): JSX.Element {
    return <Body {...this._options} />;
  }
}

function Body(props: ISettingsOptions): JSX.Element {
  const { page, trans } = props;
  const [round, setRound] = React.useState(0);
  const answer = useAnswer(signal => page.settings(signal), [round]);
  if (answer.refused) {
    return (
      <FailureView
        failure={answer.refused}
        trans={trans}
        action={{
          label: trans.__('Try again'),
          run: () => setRound(round + 1)
        }}
      />
    );
  }
  if (!answer.value) {
    return <p className="vml-Empty">{trans.__('Reading the settings…')}</p>;
  }
  return (
    <div className="vml-Page-body">
      <h1 className="vml-Head-title">{trans.__('Logbook Settings')}</h1>
      <p className="vml-Hint">
        {trans.__(
          'They hold for the logbook on the server, in JupyterLab, in notebooks and in terminals, and are kept in %1. What JupyterLab itself asks for is in its own settings.',
          answer.value.file
        )}
      </p>
      {answer.value.settings.map(setting => (
        <Line key={setting.name} {...props} first={setting} />
      ))}
    </div>
  );
}

function Line(props: ISettingsOptions & { first: ISetting }): JSX.Element {
  const { page, trans, first } = props;
  const [setting, setSetting] = React.useState(first);
  const [draft, setDraft] = React.useState<string | null>(null);
  const [refused, setRefused] = React.useState<IFailure | null>(null);
  const change = async (text: string | null) => {
    try {
      setSetting(await page.changeSetting(setting.name, text));
      setDraft(null);
      setRefused(null);
      props.onChange();
    } catch (reason) {
      setRefused(failure(reason));
    }
  };
  const id = `vml-setting-${setting.name}`;
  const written = setting.origin === 'default' ? '' : setting.shown;
  return (
    <form
      className="vml-Setting"
      data-testid="vml-setting"
      data-name={setting.name}
      data-origin={setting.origin}
      onSubmit={event => {
        event.preventDefault();
        void change(draft ?? written);
      }}
    >
      <label htmlFor={id}>{setting.name}</label>
      <span className="vml-Hint" id={`${id}-help`}>
        {trans.__('%1: %2', setting.help, setting.wants)}
      </span>
      <div className="vml-Setting-value">
        <input
          id={id}
          className="jp-mod-styled"
          aria-describedby={`${id}-help`}
          disabled={!setting.editable}
          placeholder={setting.origin === 'default' ? setting.shown : ''}
          value={draft ?? written}
          onChange={event => setDraft(event.target.value)}
        />
        <span className="vml-Hint">{origin(setting, trans)}</span>
        {draft !== null && draft !== written && (
          <button className="jp-Button jp-mod-styled jp-mod-accept">
            {trans.__('Save')}
          </button>
        )}
        {setting.editable && setting.origin === 'file' && (
          <button
            type="button"
            className="jp-Button jp-mod-styled jp-mod-reject"
            aria-label={trans.__('Reset %1', setting.name)}
            onClick={() => void change(null)}
          >
            {trans.__('Reset')}
          </button>
        )}
      </div>
      {refused && <FailureView failure={refused} trans={trans} />}
    </form>
  );
}

function origin(setting: ISetting, trans: TranslationBundle): string {
  switch (setting.origin) {
    case 'administrator':
      return trans.__('said by the administrator');
    case 'environment':
      return trans.__('said by the variable %1', setting.variable);
    case 'file':
      return trans.__('set');
    default:
      return trans.__('the default');
  }
}
