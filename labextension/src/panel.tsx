/**
 * The side bar: search, jobs, entries, machines, the bin.
 */

import { CommandToolbarButton } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import {
  deleteIcon,
  filterListIcon,
  InputGroup,
  PanelWithToolbar,
  ReactWidget,
  SidePanel,
  ToolbarButton
} from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import { Message, MessageLoop } from '@lumino/messaging';
import { PanelLayout, SplitPanel, Widget } from '@lumino/widgets';
import * as React from 'react';

import { BinView } from './bin-view';
import { EntriesView } from './entries-view';
import { archiveIcon, logbookIcon } from './icons';
import { JobsView } from './jobs-view';
import { ListFilter } from './list-filter';
import { MachinesView } from './machines-view';
import { LogbookModel } from './model';
import { Plots } from './thumbnail';
import { CommandIDs } from './tokens';

export class LogbookPanel extends SidePanel {
  constructor(
    private _model: LogbookModel,
    commands: CommandRegistry,
    plots: Plots,
    trans: TranslationBundle
  ) {
    super();
    this.id = 'vml-logbook';
    this.addClass('vml-Panel');
    this.title.icon = logbookIcon;
    this.title.caption = trans.__('Logbook');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Logbook'));

    const filter = new ListFilter();
    this.toolbar.addItem('search', new SearchBox(filter, trans));
    this.toolbar.addItem('filter', filterButton(filter, trans));
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
    const jobs = new JobsView(_model, commands, trans);
    layout.insertWidget(sections, jobs);
    // The sections share what the jobs leave, and are not told by themselves when that changes.
    const watch = new ResizeObserver(() =>
      MessageLoop.postMessage(this.content, Widget.ResizeMessage.UnknownSize)
    );
    watch.observe(jobs.node);
    this.disposed.connect(() => watch.disconnect());
    this.addWidget(entriesAndBin(_model, commands, filter, plots, trans));
    this.addWidget(
      section(trans.__('Machines'), new MachinesView(_model, commands, trans))
    );
  }

  protected onAfterShow(msg: Message): void {
    super.onAfterShow(msg);
    void this._model.refresh();
    if (!this._arranged) {
      this._arranged = true;
      // Most of the room is for the entries; the sections have no size before they are laid out.
      requestAnimationFrame(() =>
        (this.content as SplitPanel).setRelativeSizes([3, 1])
      );
    }
  }

  /** Who asks for the panel by keyboard goes on in its search box. */
  protected onActivateRequest(msg: Message): void {
    super.onActivateRequest(msg);
    // The palette, from which this may have been asked for, gives the focus back to where it was. The toolbar would
    // lead a focus that comes from elsewhere to another of its items, so it comes from nowhere.
    requestAnimationFrame(() => {
      (document.activeElement as HTMLElement | null)?.blur();
      this.node
        .querySelector<HTMLElement>('[data-testid="vml-search"]')
        ?.focus();
    });
  }

  private _arranged = false;
}

/**
 * One section for the entries, and for the bin in their place while its button is pressed.
 */
function entriesAndBin(
  model: LogbookModel,
  commands: CommandRegistry,
  filter: ListFilter,
  plots: Plots,
  trans: TranslationBundle
): PanelWithToolbar {
  const entries = new EntriesView(model, commands, filter, plots, trans);
  const bin = new BinView(model, commands, trans);
  bin.hide();
  const panel = section(trans.__('Entries'), entries);
  panel.addWidget(bin);
  const button = new ToolbarButton({
    icon: deleteIcon,
    tooltip: trans.__('Show the bin'),
    pressedTooltip: trans.__('Show the entries'),
    noFocusOnClick: true,
    onClick: () => {
      bin.setHidden(!button.pressed);
      entries.setHidden(button.pressed);
      panel.title.label = button.pressed
        ? trans.__('Bin')
        : trans.__('Entries');
    }
  });
  button.addClass('vml-BinButton');
  panel.toolbar.addItem('others', othersButton(model, trans));
  panel.toolbar.addItem('bin', button);
  return panel;
}

function othersButton(
  model: LogbookModel,
  trans: TranslationBundle
): ToolbarButton {
  const button = new ToolbarButton({
    icon: archiveIcon,
    tooltip: trans.__('List what other programs backed up, too'),
    pressedTooltip: trans.__('List entries only'),
    noFocusOnClick: true,
    onClick: () => void model.showOthers(!model.showsOthers)
  });
  button.addClass('vml-OthersButton');
  model.changed.connect(() => {
    button.pressed = model.showsOthers;
  });
  return button;
}

function filterButton(
  filter: ListFilter,
  trans: TranslationBundle
): ToolbarButton {
  const button = new ToolbarButton({
    icon: filterListIcon,
    tooltip: trans.__('Filter by notebook, project, tag, release or date'),
    noFocusOnClick: true,
    onClick: () => {
      filter.expand(button.pressed);
    }
  });
  return button;
}

function section(title: string, view: Widget): PanelWithToolbar {
  const panel = new PanelWithToolbar();
  panel.addClass('vml-Section');
  panel.title.label = title;
  panel.addWidget(view);
  return panel;
}

class SearchBox extends ReactWidget {
  constructor(
    private _filter: ListFilter,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('vml-Search');
  }

  protected render(): JSX.Element {
    return (
      <InputGroup
        type="search"
        data-testid="vml-search"
        placeholder={this._trans.__('Search')}
        aria-label={this._trans.__('Search the logbook')}
        rightIcon="ui-components:search"
        onChange={event => this._filter.set({ words: event.target.value })}
      />
    );
  }
}
