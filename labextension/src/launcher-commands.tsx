/**
 * Launchers: scripts that start an entry's machine on a computer without VML, and what became of those machines.
 */

import { Clipboard, Dialog, ReactWidget } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import { deleteIcon, downloadIcon } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { agreed } from './consent';
import { showFailure } from './failures';
import { isEnded } from './launch-words';
import { LogbookModel } from './model';
import { IEntry, ILauncher, IRestoreRequest } from './records';
import { RestoreForm } from './restore-form';
import * as toasts from './toasts';
import { CommandIDs } from './tokens';

const described = (name: string, description: string) => ({
  args: {
    type: 'object',
    properties: { [name]: { type: 'string', description } },
    required: [name]
  }
});

export function addLauncherCommands(
  commands: CommandRegistry,
  model: LogbookModel,
  trans: TranslationBundle
): void {
  commands.addCommand(CommandIDs.launcher, {
    label: trans.__('Launcher for Another Computer…'),
    caption: trans.__(
      'Get a script that starts this entry where VML is not installed'
    ),
    icon: downloadIcon,
    describedBy: described('entry', 'The id of the entry'),
    execute: async args => {
      const entry = model.entries?.find(known => known.id === args.entry);
      const asked = entry && (await ask(entry, model, trans));
      if (!entry || !asked) {
        return;
      }
      try {
        await show(entry, await make(entry, asked, model, trans), trans);
      } catch (reason) {
        await showFailure(
          trans.__('There is no launcher for “%1”', entry.title),
          reason,
          trans
        );
      }
    }
  });

  commands.addCommand(CommandIDs.forgetLaunch, {
    label: trans.__('Forget…'),
    caption: trans.__('Take this machine off the list'),
    icon: deleteIcon,
    describedBy: described('machine', 'The id of the machine'),
    execute: async args => {
      const launch = model.launches.find(known => known.id === args.machine);
      if (!launch) {
        return;
      }
      try {
        if (isEnded(launch) || (await agreedToForget(launch.title, trans))) {
          await model.forgetLaunch(launch.id);
        }
      } catch (reason) {
        await showFailure(
          trans.__('The machine is still on the list'),
          reason,
          trans
        );
      }
    }
  });
}

function agreedToForget(
  title: string,
  trans: TranslationBundle
): Promise<boolean> {
  return agreed(
    trans.__('Forget the machine of “%1”?', title),
    trans.__(
      'It goes on where it runs, but gets nothing more from this server: neither what it has not read yet of its working area, nor a snapshot. The entry stays in the logbook.'
    ),
    trans.__('Forget'),
    trans
  );
}

async function ask(
  entry: IEntry,
  model: LogbookModel,
  trans: TranslationBundle
): Promise<IRestoreRequest | null> {
  const text = trans.__(
    'You get a Python script that starts this entry in its CernVM on a computer with Python and QEMU, where VML is not installed. It says what it will do, and asks first.'
  );
  const known = model.api.durability(true).then(all => all[entry.id]);
  const dialog = new Dialog<IRestoreRequest>({
    title: trans.__('Launcher for “%1”', entry.title),
    body: new RestoreForm(
      entry,
      text,
      model.api.releases(),
      known,
      null,
      trans
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.okButton({ label: trans.__('Make it') })
    ],
    focusNodeSelector: entry.environment.release ? '' : '#vml-restore-release'
  });
  const result = await dialog.launch();
  return result.button.accept ? result.value : null;
}

async function make(
  entry: IEntry,
  asked: IRestoreRequest,
  model: LogbookModel,
  trans: TranslationBundle
): Promise<ILauncher> {
  const { release, without_pins } = asked;
  // An image that the server lacks is downloaded meanwhile.
  const told = toasts.emit(
    trans.__('Making the launcher for “%1”…', entry.title),
    'in-progress',
    { autoClose: false }
  );
  try {
    return await model.api.launcher(entry.id, { release, without_pins });
  } finally {
    toasts.dismiss(told);
  }
}

async function show(
  entry: IEntry,
  launcher: ILauncher,
  trans: TranslationBundle
): Promise<void> {
  const dialog = new Dialog({
    title: trans.__('Launcher for “%1”', entry.title),
    body: new LauncherBody(launcher, trans),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Close') }),
      Dialog.okButton({ label: trans.__('Download') })
    ]
  });
  dialog.addClass('vml-LauncherDialog');
  const result = await dialog.launch();
  if (result.button.accept) {
    download(launcher);
  }
}

class LauncherBody extends ReactWidget {
  constructor(
    private _launcher: ILauncher,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('vml-Form');
  }

  protected render(): JSX.Element {
    const { _launcher: launcher, _trans: trans } = this;
    const until = new Date(launcher.expires * 1000).toLocaleTimeString([], {
      hour: '2-digit',
      minute: '2-digit'
    });
    return (
      <>
        <p className="vml-Form-text">
          {trans.__(
            'It works once, until %1. If the file that you get has this digest, nobody has changed it on the way.',
            until
          )}
        </p>
        <span className="vml-Form-label">{trans.__('Digest (SHA-256)')}</span>
        <Copied
          text={launcher.sha256}
          id="vml-launcher-sha256"
          label={trans.__('Copy the digest')}
          trans={trans}
        />
        <span className="vml-Form-label">
          {trans.__('To compare, and to run it')}
        </span>
        <Copied
          text={`sha256sum ${launcher.name}\npython3 ${launcher.name}`}
          id="vml-launcher-run"
          label={trans.__('Copy the commands')}
          trans={trans}
        />
        <details>
          <summary>{trans.__('Read the script')}</summary>
          <pre className="vml-Launcher-script" tabIndex={0}>
            {launcher.script}
          </pre>
        </details>
      </>
    );
  }
}

function Copied(props: {
  text: string;
  id: string;
  label: string;
  trans: TranslationBundle;
}): JSX.Element {
  const { text, id, label, trans } = props;
  return (
    <div className="vml-Copied">
      <code data-testid={id}>{text}</code>
      <button
        type="button"
        className="jp-Button jp-mod-styled jp-mod-reject"
        aria-label={label}
        onClick={() => Clipboard.copyToSystem(text)}
      >
        {trans.__('Copy')}
      </button>
    </div>
  );
}

/**
 * Save a script as a file. Its text is here already: asked for again, the server would make another one.
 */
function download(launcher: ILauncher): void {
  const url = URL.createObjectURL(
    new Blob([launcher.script], { type: 'text/x-python' })
  );
  const link = document.createElement('a');
  link.href = url;
  link.download = launcher.name;
  document.body.appendChild(link);
  link.click();
  link.remove();
  // The browser reads it after this.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
