/**
 * The page of one entry: its note, its files, what changed, what it ran in.
 */

import { ReactWidget, UseSignal } from '@jupyterlab/apputils';
import { ISignal, Signal } from '@lumino/signaling';
import * as React from 'react';

import { CompareView } from './compare-view';
import { EntryNeeds } from './durability';
import { EntryHead } from './entry-head';
import { EnvironmentView } from './environment-view';
import { FailureView, showFailure } from './failures';
import { FilesTree } from './files-tree';
import { failure } from './model';
import { IPageContext } from './page-context';
import { IDetails } from './page-records';
import { IEdit, IFailure } from './records';

type Tab = 'files' | 'changes' | 'environment';
const TABS: Tab[] = ['files', 'changes', 'environment'];

export class EntryPage extends ReactWidget {
  /**
   * @param entry - The id of the entry.
   */
  constructor(
    readonly entry: string,
    private _context: IPageContext
  ) {
    super();
    this.addClass('vml-Page');
    this.title.label = this._known?.title ?? entry;
    this._context.model.changed.connect(this._onChanged, this);
    this._seen = JSON.stringify(this._known ?? null);
    void this._read();
  }

  get tabChanged(): ISignal<this, void> {
    return this._tabChanged;
  }

  /** Show one of the tabs. */
  showTab(tab: string): void {
    if (TABS.includes(tab as Tab)) {
      this._tab = tab as Tab;
      this._tabChanged.emit();
    }
  }

  dispose(): void {
    Signal.clearData(this);
    super.dispose();
  }

  protected render(): JSX.Element {
    return (
      <UseSignal signal={this._tabChanged}>{() => this._draw()}</UseSignal>
    );
  }

  private _draw(): JSX.Element {
    const { trans } = this._context;
    if (this._refused) {
      return (
        <FailureView
          failure={this._refused}
          trans={trans}
          action={{
            label: trans.__('Try again'),
            run: () => void this._read()
          }}
        />
      );
    }
    if (!this._details) {
      return <p className="vml-Empty">{trans.__('Opening the entry…')}</p>;
    }
    return (
      <div className="vml-Page-body">
        <EntryHead
          details={this._details}
          context={this._context}
          onEdit={changed => void this._edit(changed)}
        />
        <Tabs
          entry={this.entry}
          tab={this._tab}
          context={this._context}
          onTab={tab => this.showTab(tab)}
        />
        <div
          className="vml-Page-tab"
          role="tabpanel"
          id={`vml-panel-${this.entry}`}
          aria-labelledby={`vml-tab-${this._tab}-${this.entry}`}
        >
          {this._drawTab(this._details)}
        </div>
      </div>
    );
  }

  private _drawTab(details: IDetails): JSX.Element {
    const context = this._context;
    switch (this._tab) {
      case 'files':
        return (
          <FilesTree
            entry={this.entry}
            first={details.entry.notebook}
            context={context}
          />
        );
      case 'changes':
        return <CompareView details={details} context={context} />;
      case 'environment':
        return (
          <>
            <EntryNeeds
              entry={this.entry}
              model={context.model}
              trans={context.trans}
            />
            <EnvironmentView
              environment={details.environment}
              trans={context.trans}
            />
          </>
        );
    }
  }

  private async _edit(changed: IEdit): Promise<void> {
    const { model, trans } = this._context;
    try {
      await model.edit(this.entry, changed);
      await this._read();
    } catch (reason) {
      await showFailure(trans.__('The entry was not changed'), reason, trans);
    }
  }

  private async _read(): Promise<void> {
    try {
      this._details = await this._context.page.details(this.entry);
      this._refused = null;
      this.title.label = this._details.entry.title;
      this.title.caption = this._details.entry.area;
    } catch (reason) {
      this._refused = failure(reason);
    }
    this._tabChanged.emit();
  }

  /**
   * Read again when the list tells something else of this entry, or lists it no more.
   */
  private _onChanged(): void {
    const { model } = this._context;
    const seen = JSON.stringify(this._known ?? null);
    const isBack = this._away && !model.lost;
    this._away = !!model.lost;
    const changed = model.entries !== null && seen !== this._seen;
    if (changed || (isBack && this._refused)) {
      this._seen = seen;
      void this._read();
    }
  }

  private get _known() {
    return this._context.model.entries?.find(one => one.id === this.entry);
  }

  private _details: IDetails | null = null;
  private _refused: IFailure | null = null;
  private _seen: string;
  private _away = false;
  private _tab: Tab = 'files';
  private _tabChanged = new Signal<this, void>(this);
}

function Tabs(props: {
  entry: string;
  tab: Tab;
  context: IPageContext;
  onTab: (tab: Tab) => void;
}): JSX.Element {
  const { trans } = props.context;
  const labels: Record<Tab, string> = {
    files: trans.__('Files'),
    changes: trans.__('Changes'),
    environment: trans.__('Environment')
  };
  const onKeyDown = (event: React.KeyboardEvent<HTMLElement>) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step) {
      const at = TABS.indexOf(props.tab) + step + TABS.length;
      props.onTab(TABS[at % TABS.length]);
      const list = event.currentTarget;
      requestAnimationFrame(() =>
        list.querySelector<HTMLElement>('[aria-selected="true"]')?.focus()
      );
    }
  };
  return (
    <div
      className="vml-Tabs"
      role="tablist"
      aria-label={trans.__('Parts of the entry')}
      onKeyDown={onKeyDown}
    >
      {TABS.map(tab => (
        <button
          key={tab}
          role="tab"
          id={`vml-tab-${tab}-${props.entry}`}
          aria-controls={`vml-panel-${props.entry}`}
          data-testid={`vml-tab-${tab}`}
          aria-selected={props.tab === tab}
          tabIndex={props.tab === tab ? 0 : -1}
          onClick={() => props.onTab(tab)}
        >
          {labels[tab]}
        </button>
      ))}
    </div>
  );
}
