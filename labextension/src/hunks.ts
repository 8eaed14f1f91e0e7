/**
 * Changed lines, ready to be drawn: numbered, and where one line became another, with the part that differs.
 */

import { IHunk } from './page-records';

export interface ILine {
  sign: ' ' | '-' | '+';
  /** Counted from 1; null on the side that does not have it. */
  before: number | null;
  after: number | null;
  /** What is the same as in its counterpart, what differs, and what is the same again. */
  parts: [string, string, string];
}

/**
 * Number the lines of a hunk, and pair those that were removed with those that stand in their place.
 */
export function linesOf(hunk: IHunk): ILine[] {
  let { before, after } = hunk;
  const lines = hunk.lines.map(([sign, text]): ILine => {
    const old = sign === '+' ? null : ++before;
    const now = sign === '-' ? null : ++after;
    return { sign, before: old, after: now, parts: [text, '', ''] };
  });
  let start = 0;
  while (start < lines.length) {
    const removed = run(lines, start, '-');
    const added = run(lines, start + removed, '+');
    if (removed === added) {
      for (let index = start; index < start + removed; index++) {
        mark(lines[index], lines[index + removed]);
      }
    }
    start += Math.max(1, removed + added);
  }
  return lines;
}

function run(lines: ILine[], start: number, sign: string): number {
  let end = start;
  while (end < lines.length && lines[end].sign === sign) {
    end++;
  }
  return end - start;
}

/**
 * Mark in two lines what is between their common beginning and their common end.
 */
function mark(old: ILine, now: ILine): void {
  const [a] = old.parts;
  const [b] = now.parts;
  const shorter = Math.min(a.length, b.length);
  let head = 0;
  while (head < shorter && a[head] === b[head]) {
    head++;
  }
  let tail = 0;
  while (
    tail < shorter - head &&
    a[a.length - 1 - tail] === b[b.length - 1 - tail]
  ) {
    tail++;
  }
  // Lines with little in common are two lines, and not one that was changed.
  if (head + tail < shorter / 3) {
    return;
  }
  const split = (text: string): [string, string, string] => [
    text.slice(0, head),
    text.slice(head, text.length - tail),
    text.slice(text.length - tail)
  ];
  old.parts = split(a);
  now.parts = split(b);
}
