/**
 * The side bar: search, jobs, entries, machines.
 */

import { CommandToolbarButton } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import {
  InputGroup,
  PanelWithToolbar,
  ReactWidget,
  SidePanel
} from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { Message } from '@lumino/messaging';
import { ISignal, Signal } from '@lumino/signaling';
import { PanelLayout, Widget } from '@lumino/widgets';
import * as React from 'react';

import { EntriesView } from './entries-view';
import { logbookIcon } from './icons';
import { JobsView } from './jobs-view';
import { MachinesView } from './machines-view';
import { LogbookModel } from './model';
import { CommandIDs } from './tokens';

export class LogbookPanel extends SidePanel {
  constructor(
    private _model: LogbookModel,
    commands: CommandRegistry,
    trans: TranslationBundle
  ) {
    super();
    this.id = 'vml-logbook';
    this.addClass('vml-Panel');
    this.title.icon = logbookIcon;
    this.title.caption = trans.__('Logbook');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Logbook'));

    const search = new SearchBox(trans);
    this.toolbar.addItem('search', search);
    for (const [name, id] of [
      ['snapshot', CommandIDs.snapshot],
      ['refresh', CommandIDs.refresh]
    ]) {
      this.toolbar.addItem(
        name,
        new CommandToolbarButton({ commands, id, label: '' })
      );
    }
    // Below the toolbar, above the sections; the panel's own header would be above both.
    const layout = this.layout as PanelLayout;
    const sections = layout.widgets.indexOf(this.content);
    layout.insertWidget(sections, new JobsView(_model, commands, trans));
    this.addWidget(
      section(
        trans.__('Entries'),
        new EntriesView(_model, commands, search, trans)
      )
    );
    this.addWidget(
      section(trans.__('Machines'), new MachinesView(_model, commands, trans))
    );
  }

  protected onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    void this._model.refresh();
  }
}

function section(title: string, view: Widget): Widget {
  const panel = new PanelWithToolbar();
  panel.addClass('vml-Section');
  panel.title.label = title;
  panel.addWidget(view);
  return panel;
}

class SearchBox extends ReactWidget {
  constructor(private _trans: TranslationBundle) {
    super();
    this.addClass('vml-Search');
  }

  /** What is searched for. */
  value = '';

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  protected render(): JSX.Element {
    return (
      <InputGroup
        type="search"
        data-testid="vml-search"
        placeholder={this._trans.__('Search the logbook')}
        aria-label={this._trans.__('Search the logbook')}
        rightIcon="ui-components:search"
        onChange={event => {
          this.value = event.target.value;
          this._changed.emit();
        }}
      />
    );
  }

  private _changed = new Signal<this, void>(this);
}
