/**
 * The last plot of an entry, small; asked for once its row stays in sight for a moment.
 */

import * as React from 'react';

import { IImage } from './page-records';

const PATIENCE_MS = 120;
const MOST = 300;
const KINDS = /^image\/(png|jpeg|gif|webp)$/;

export type AskForPlot = (
  entry: string,
  signal: AbortSignal
) => Promise<IImage | null>;

/**
 * Remembers plots, as rows come and go while the list is scrolled; the oldest of many are forgotten.
 */
export class Plots {
  constructor(private _ask: AskForPlot) {}

  known(entry: string): IImage | null | undefined {
    return this._plots.get(entry);
  }

  async of(entry: string, signal: AbortSignal): Promise<IImage | null> {
    const known = this._plots.get(entry);
    if (known !== undefined) {
      return known;
    }
    const found = await this._ask(entry, signal);
    const plot = found && KINDS.test(found.mime) ? found : null;
    this._plots.set(entry, plot);
    if (this._plots.size > MOST) {
      this._plots.delete(this._plots.keys().next().value!);
    }
    return plot;
  }

  private _plots = new Map<string, IImage | null>();
}

export function Thumbnail(props: {
  entry: string;
  plots: Plots;
}): JSX.Element | null {
  const { entry, plots } = props;
  const [plot, setPlot] = React.useState(plots.known(entry) ?? null);
  React.useEffect(() => {
    if (plots.known(entry) !== undefined) {
      setPlot(plots.known(entry) ?? null);
      return;
    }
    const ending = new AbortController();
    const timer = setTimeout(() => {
      plots.of(entry, ending.signal).then(
        found => ending.signal.aborted || setPlot(found),
        () => undefined // a list without the picture is as good
      );
    }, PATIENCE_MS);
    return () => {
      clearTimeout(timer);
      ending.abort();
    };
  }, [entry, plots]);
  return plot ? (
    <img
      className="vml-Thumbnail"
      data-testid="vml-thumbnail"
      alt=""
      src={`data:${plot.mime};base64,${plot.data}`}
    />
  ) : null;
}
