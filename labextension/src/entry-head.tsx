/**
 * The top of an entry page: what it is called, what it is, what can be done with it; editable where it stands.
 */

import { editIcon } from '@jupyterlab/ui-components';
import * as React from 'react';

import { MimeView } from './content-views';
import { EntryNeeds, PlaceText } from './durability';
import { ago, bytes, files, tagsOf } from './format';
import { IPageContext } from './page-context';
import { IDetails } from './page-records';
import { IEdit, IEntry } from './records';
import { CommandIDs } from './tokens';

export function EntryHead(props: {
  details: IDetails;
  context: IPageContext;
  onEdit: (changed: IEdit) => void;
}): JSX.Element {
  const { details, context, onEdit } = props;
  const { trans } = context;
  const { entry } = details;
  const isOthers = entry.writer === 'restic';
  const release = entry.environment.release;
  const meta = [
    entry.notebook,
    files(entry, trans),
    trans.__('%1, %2 new', bytes(entry.bytes), bytes(entry.new_bytes)),
    entry.area,
    details.unreadable &&
      trans.__('%1 could not be read, whole or in part', details.unreadable),
    details.changing &&
      trans.__('%1 never held still while they were read', details.changing)
  ];
  return (
    <header className="vml-Head">
      <Editable
        value={entry.title}
        label={trans.__('Title')}
        className="vml-Head-title"
        context={context}
        fixed={isOthers}
        onSave={title => onEdit({ title })}
        shown={<h1>{entry.title}</h1>}
      />
      <div className="vml-Head-meta">
        <span className={release ? 'vml-Badge' : 'vml-Badge vml-mod-unknown'}>
          {release?.label ?? trans.__('No release')}
        </span>
        <PlaceText
          entry={context.model.listed(entry.id) ?? entry}
          trans={context.trans}
        />
        <time dateTime={entry.time} title={entry.time}>
          {`${new Date(entry.time).toLocaleString()} (${ago(entry.time)})`}
        </time>
        {meta.filter(Boolean).map(text => (
          <span key={text}>{text}</span>
        ))}
      </div>
      <EntryNeeds
        entry={entry.id}
        model={context.model}
        onlyGone={true}
        trans={trans}
      />
      <Family details={details} context={context} />
      <div className="vml-Head-labels">
        <Editable
          value={entry.tags.join(', ')}
          label={trans.__('Tags')}
          className="vml-Head-tags"
          context={context}
          fixed={isOthers}
          onSave={text => onEdit(tagChange(entry.tags, tagsOf(text)))}
          shown={
            entry.tags.length ? (
              <span>
                {entry.tags.map(tag => (
                  <span key={tag} className="vml-Tag">
                    {tag}
                  </span>
                ))}
              </span>
            ) : (
              <span className="vml-Hint">{trans.__('no tags')}</span>
            )
          }
        />
        <Editable
          value={entry.project}
          label={trans.__('Project')}
          className="vml-Head-project"
          context={context}
          fixed={isOthers}
          onSave={project => onEdit({ project })}
          shown={
            entry.project ? (
              <span>{entry.project}</span>
            ) : (
              <span className="vml-Hint">{trans.__('no project')}</span>
            )
          }
        />
      </div>
      <Actions entry={entry} context={context} />
      <Editable
        value={entry.note}
        label={trans.__('Note')}
        className="vml-Note"
        multiline={true}
        context={context}
        fixed={isOthers}
        onSave={note => onEdit({ note })}
        shown={
          entry.note ? (
            <MimeView
              rendermime={context.rendermime}
              mime="text/markdown"
              text={entry.note}
            />
          ) : (
            <span className="vml-Hint">{trans.__('no note yet')}</span>
          )
        }
      />
    </header>
  );
}

/**
 * ['a', 'b'] -> ['b', 'c']: what is to be added, and what removed.
 */
export function tagChange(before: string[], after: string[]): IEdit {
  return {
    add_tags: after.filter(tag => !before.includes(tag)),
    remove_tags: before.filter(tag => !after.includes(tag))
  };
}

function Actions(props: { entry: IEntry; context: IPageContext }): JSX.Element {
  const { entry, context } = props;
  const { commands, trans } = context;
  const action = (command: string, label: string, accent = false) => (
    <button
      className={`jp-Button jp-mod-styled ${accent ? 'jp-mod-accept' : 'jp-mod-reject'}`}
      data-command={command}
      onClick={() => void commands.execute(command, { entry: entry.id })}
    >
      {label}
    </button>
  );
  const isOthers = entry.writer === 'restic';
  if (entry.forgotten) {
    return (
      <div className="vml-Head-actions">
        <span>{trans.__('This entry is in the bin.')}</span>
        {action(CommandIDs.unforget, trans.__('Take back'), true)}
      </div>
    );
  }
  return (
    <div
      className="vml-Head-actions"
      role="group"
      aria-label={trans.__('Actions')}
    >
      {action(CommandIDs.restore, trans.__('Restore in a machine…'), true)}
      {action(CommandIDs.restoreFiles, trans.__('Restore files…'))}
      {action(CommandIDs.launcher, trans.__('Launcher…'))}
      {!isOthers && action(CommandIDs.exportEntry, trans.__('Export…'))}
      {action(CommandIDs.copyId, trans.__('Copy ID'))}
      {!isOthers && action(CommandIDs.forget, trans.__('Forget'))}
    </div>
  );
}

function Family(props: {
  details: IDetails;
  context: IPageContext;
}): JSX.Element | null {
  const { parent, children } = props.details;
  const { commands, trans } = props.context;
  const link = (entry: IEntry) => (
    <button
      key={entry.id}
      className="vml-Link"
      title={new Date(entry.time).toLocaleString()}
      onClick={() =>
        void commands.execute(CommandIDs.openEntry, { entry: entry.id })
      }
    >
      {entry.title}
    </button>
  );
  if (!parent && !children.length) {
    return null;
  }
  return (
    <div className="vml-Head-family">
      {parent && (
        <span>
          {trans.__('Continues')} {link(parent)}
        </span>
      )}
      {children.length > 0 && (
        <span>
          {trans.__('Continued by')} {children.map(link)}
        </span>
      )}
    </div>
  );
}

function Editable(props: {
  value: string;
  label: string;
  className: string;
  multiline?: boolean;
  /** Whether it is somebody else's to change. */
  fixed?: boolean;
  shown: JSX.Element;
  context: IPageContext;
  onSave: (value: string) => void;
}): JSX.Element {
  const { value, label, multiline } = props;
  const { trans } = props.context;
  const [draft, setDraft] = React.useState<string | null>(null);
  const opener = React.useRef<HTMLButtonElement>(null);
  const close = (save: boolean) => {
    if (save && draft !== null && draft !== value) {
      props.onSave(draft);
    }
    setDraft(null);
    requestAnimationFrame(() => opener.current?.focus());
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (event.key === 'Escape') {
      close(false);
    } else if (
      event.key === 'Enter' &&
      (!multiline || event.ctrlKey || event.metaKey)
    ) {
      event.preventDefault();
      close(true);
    } else {
      return;
    }
    event.stopPropagation();
  };
  if (draft === null) {
    return (
      <div className={`vml-Editable ${props.className}`}>
        {props.shown}
        {props.fixed || (
          <button
            ref={opener}
            className="jp-Button jp-mod-minimal vml-IconButton"
            data-testid={`${props.className}-edit`}
            title={trans.__('Edit')}
            aria-label={trans.__('Edit: %1', label)}
            onClick={() => setDraft(value)}
          >
            <editIcon.react tag="span" />
          </button>
        )}
      </div>
    );
  }
  const field = {
    className: 'jp-mod-styled',
    autoFocus: true,
    value: draft,
    'aria-label': label,
    onKeyDown,
    onChange: (event: { target: { value: string } }) =>
      setDraft(event.target.value)
  };
  return (
    <div className={`vml-Editable vml-mod-editing ${props.className}`}>
      {multiline ? <textarea rows={8} {...field} /> : <input {...field} />}
      <div className="vml-Editable-buttons">
        <button
          className="jp-Button jp-mod-styled jp-mod-reject"
          onClick={() => close(false)}
        >
          {trans.__('Cancel')}
        </button>
        <button
          className="jp-Button jp-mod-styled jp-mod-accept"
          data-testid={`${props.className}-save`}
          onClick={() => close(true)}
        >
          {trans.__('Save')}
        </button>
      </div>
    </div>
  );
}
