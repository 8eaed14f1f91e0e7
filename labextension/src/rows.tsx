/**
 * A list of any length, of which only the rows in sight are drawn, and in which the arrow keys move.
 *
 * The rows are list items that know their place, and the keys move the focus between the elements of class
 * `vml-Row-main`; a row that is not drawn yet is drawn first.
 */

import { useVirtualizer } from '@tanstack/react-virtual';
import * as React from 'react';

const OVERSCAN = 8;

export function Rows(props: {
  count: number;
  label: string;
  keyOf: (index: number) => string;
  /** Pixels that a row is likely to take; they are measured once they are drawn. */
  estimate: number;
  row: (index: number, current: boolean) => JSX.Element;
  onKey?: (index: number, event: React.KeyboardEvent) => void;
}): JSX.Element {
  const { count, keyOf } = props;
  const scroller = React.useRef<HTMLDivElement>(null);
  const list = React.useRef<HTMLUListElement>(null);
  const [current, setCurrent] = React.useState(0);
  const virtualizer = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => props.estimate,
    getItemKey: keyOf,
    overscan: OVERSCAN
  });
  const place = Math.min(current, Math.max(0, count - 1));

  const go = (index: number) => {
    const wanted = Math.max(0, Math.min(count - 1, index));
    setCurrent(wanted);
    virtualizer.scrollToIndex(wanted);
    // The row may have to be drawn before it can have the focus.
    requestAnimationFrame(() =>
      requestAnimationFrame(() =>
        list.current
          ?.querySelector<HTMLElement>(`[data-index="${wanted}"] .vml-Row-main`)
          ?.focus()
      )
    );
  };
  const page = () =>
    Math.max(
      1,
      Math.floor((scroller.current?.clientHeight ?? 0) / props.estimate) - 1
    );
  const onKeyDown = (event: React.KeyboardEvent) => {
    const onMain = (event.target as HTMLElement).closest('.vml-Row-main');
    if (!onMain) {
      return;
    }
    const steps: Record<string, () => number> = {
      ArrowDown: () => place + 1,
      ArrowUp: () => place - 1,
      PageDown: () => place + page(),
      PageUp: () => place - page(),
      Home: () => 0,
      End: () => count - 1
    };
    if (event.key in steps) {
      event.preventDefault();
      event.stopPropagation();
      go(steps[event.key]());
    } else {
      props.onKey?.(place, event);
    }
  };

  return (
    <div className="vml-Rows" ref={scroller}>
      <ul
        ref={list}
        className="vml-List"
        aria-label={props.label}
        style={{ height: virtualizer.getTotalSize() }}
        onKeyDown={onKeyDown}
      >
        {virtualizer.getVirtualItems().map(item => (
          <li
            key={item.key}
            ref={virtualizer.measureElement}
            data-index={item.index}
            aria-setsize={count}
            aria-posinset={item.index + 1}
            style={{ transform: `translateY(${item.start}px)` }}
            onFocus={() => setCurrent(item.index)}
          >
            {props.row(item.index, item.index === place)}
          </li>
        ))}
      </ul>
    </div>
  );
}
