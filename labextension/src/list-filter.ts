/**
 * What the entries are filtered by: one state, which the search box, the filters and the tags of entries write.
 */

import { ISignal, Signal } from '@lumino/signaling';

import { EVERYTHING, IFilter } from './search';

export class ListFilter {
  get value(): IFilter {
    return this._value;
  }

  /** Whether the choices beside the search box are shown. */
  get expanded(): boolean {
    return this._expanded;
  }

  get changed(): ISignal<this, void> {
    return this._changed;
  }

  set(change: Partial<IFilter>): void {
    this._value = { ...this._value, ...change };
    this._changed.emit();
  }

  /** Drop the choices and keep the words, which the search box shows. */
  clear(): void {
    this.set({ ...EVERYTHING, words: this._value.words });
  }

  expand(expanded: boolean): void {
    this._expanded = expanded;
    this._changed.emit();
  }

  private _value = EVERYTHING;
  private _expanded = false;
  private _changed = new Signal<this, void>(this);
}
