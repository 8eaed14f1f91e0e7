/**
 * Records in words: sizes, times, titles. Nothing here knows the screen.
 */

import { TranslationBundle } from '@jupyterlab/translation';

import { IEntry, IJob, IMachine, IStage } from './records';

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/**
 * 1234567 -> '1.2 MB', in powers of 1000.
 */
export function bytes(count: number): string {
  let power = 0;
  let value = count;
  // 999.95 would be shown as 1000.0 of the smaller unit.
  while (value >= 999.5 && power < UNITS.length - 1) {
    value /= 1000;
    power += 1;
  }
  const digits = power > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[power]}`;
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['minute', 60],
  ['hour', 60],
  ['day', 24],
  ['month', 30.44],
  ['year', 12]
];

/**
 * '2026-01-02T08:00:00Z' -> '3 days ago', in the language of the screen.
 */
export function ago(
  time: string,
  now: number = Date.now(),
  locale?: string
): string {
  const then = Date.parse(time);
  if (isNaN(then)) {
    return '';
  }
  let unit: Intl.RelativeTimeFormatUnit = 'second';
  let value = Math.min(0, then - now) / 1000;
  for (const [next, factor] of STEPS) {
    if (Math.abs(value) < factor) {
      break;
    }
    value /= factor;
    unit = next;
  }
  const style = { numeric: 'auto' } as const;
  return new Intl.RelativeTimeFormat(locale, style).format(
    unit === 'second' ? 0 : Math.trunc(value),
    unit
  );
}

/**
 * 75.4 -> '1 min 15 s'.
 */
export function seconds(value: number): string {
  if (value < 10) {
    return `${Number.isInteger(value) ? value : value.toFixed(1)} s`;
  }
  const whole = Math.round(value);
  return whole < 60
    ? `${whole} s`
    : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/**
 * 3 700 s since `time` -> '1 h 1 min', nothing where it is no time.
 */
export function since(time: string, now: number = Date.now()): string {
  const minutes = Math.floor((now - Date.parse(time)) / 60_000);
  if (isNaN(minutes)) {
    return '';
  }
  const whole = Math.max(0, minutes);
  const [days, hours] = [Math.floor(whole / 1440), Math.floor(whole / 60) % 24];
  if (days) {
    return `${days} d ${hours} h`;
  }
  return hours ? `${hours} h ${whole % 60} min` : `${whole} min`;
}

/**
 * How far a stage is, from 0 to 1, or null where it cannot be known.
 */
export function fraction(stage: IStage | undefined): number | null {
  if (!stage || !stage.total) {
    return null;
  }
  return Math.min(1, Math.max(0, stage.done / stage.total));
}

/**
 * How many seconds a job is likely to go on, by what earlier ones took; null where nobody knows.
 *
 * A stage that takes longer than ever is not given up: it then counts as nearly done.
 */
export function remaining(job: IJob): number | null {
  const expected = Object.entries(job.expected ?? {});
  if (!expected.length || !job.stages.length) {
    return null;
  }
  const current = job.stages[job.stages.length - 1];
  const begun = new Set(job.stages.map(stage => stage.name));
  const known = expected.findIndex(([name]) => name === current.name);
  const far = fraction(current);
  const byPace =
    far && current.seconds > 1 ? (current.seconds / far) * (1 - far) : null;
  const byLast =
    known < 0 ? null : Math.max(0, expected[known][1] - current.seconds);
  const rest = expected
    .slice(known + 1)
    .filter(([name]) => !begun.has(name))
    .reduce((sum, [, value]) => sum + value, 0);
  const own = byPace ?? byLast;
  return own === null ? null : own + rest;
}

/**
 * 'about 20 s left', in steps that do not flicker; nothing where nobody knows.
 */
export function remainingText(job: IJob, trans: TranslationBundle): string {
  const left = remaining(job);
  if (left === null) {
    return '';
  }
  if (left < 2) {
    return trans.__('nearly done');
  }
  const step = left < 20 ? 2 : left < 60 ? 5 : 30;
  return trans.__('about %1 left', seconds(Math.ceil(left / step) * step));
}

/**
 * '1.2 MB of 3.4 MB', '12 of 40 files', '12 files', or nothing.
 */
export function amount(stage: IStage, trans: TranslationBundle): string {
  const say = (count: number) =>
    stage.unit === 'bytes' || stage.unit === 'B' ? bytes(count) : `${count}`;
  const unit =
    stage.unit === 'bytes' || stage.unit === 'B' ? '' : ` ${stage.unit}`;
  if (stage.total) {
    const done = trans.__('%1 of %2', say(stage.done), say(stage.total));
    return (done + unit).trim();
  }
  return stage.done ? (say(stage.done) + unit).trim() : '';
}

/**
 * How much of a working area has come over to its machine; null where it does not come as it is read.
 */
export function arrived(
  machine: IMachine,
  trans: TranslationBundle
): string | null {
  const { bytes: come = 0, size = 0 } = machine.arrival ?? {};
  if (size === 0) {
    return null;
  }
  return trans.__('%1 of %2 have come over', bytes(come), bytes(size));
}

/**
 * How many files an entry has, and how large they are.
 */
export function files(entry: IEntry, trans: TranslationBundle): string {
  return trans._n('%1 file', '%1 files', entry.files);
}

/**
 * 'fit, good ,fit' -> ['fit', 'good'].
 */
export function tagsOf(text: string): string[] {
  const tags = text.split(',').map(tag => tag.trim());
  return [...new Set(tags.filter(Boolean))];
}

/**
 * The first heading of a notebook, else its name without the ending.
 */
export function proposedTitle(
  cells: Iterable<{ type: string; source: string }>,
  path: string
): string {
  for (const cell of cells) {
    const heading =
      cell.type === 'markdown' &&
      cell.source.match(/^ {0,3}#{1,6}\s+(.+?)\s*#*\s*$/m);
    if (heading) {
      return heading[1].slice(0, 200);
    }
  }
  const name = path.split('/').pop() ?? '';
  return name.replace(/\.ipynb$/, '');
}

/**
 * What a job works on, in the words of the lists beside it.
 */
export function subject(
  job: IJob,
  entries: ReadonlyArray<IEntry>,
  machines: ReadonlyArray<IMachine>
): string {
  const entry = entries.find(entry => entry.id === job.subject);
  const machine = machines.find(machine => machine.id === job.subject);
  return entry?.title || machine?.title || job.title;
}

/**
 * 'Restoring “Higgs fit”'.
 */
export function jobTitle(
  job: IJob,
  name: string,
  trans: TranslationBundle
): string {
  switch (job.kind) {
    case 'snapshot':
    case 'autosnapshot':
    case 'capture':
      return trans.__('Snapshot of “%1”', name);
    case 'restore':
      return trans.__('Restoring “%1”', name);
    case 'files':
      return trans.__('Restoring the files of “%1”', name);
    case 'export':
      return trans.__('Exporting “%1”', name);
    case 'start':
      return trans.__('Starting “%1”', name);
    case 'stop':
      return trans.__('Stopping “%1”', name);
    case 'delete':
      return trans.__('Deleting the machine of “%1”', name);
    case 'suspend':
      return trans.__('Suspending “%1”', name);
    case 'resume':
      return trans.__('Resuming “%1”', name);
    case 'take':
      return trans.__('Taking a standard snapshot of “%1”', name);
    case 'revert':
      return trans.__('Reverting “%1” to “%2”', name, job.title);
    case 'delete-standard':
      return trans.__('Deleting the standard snapshot “%1”', job.title);
    case 'warm':
      return trans.__('Keeping %1 warm for the next restore', name);
  }
}
