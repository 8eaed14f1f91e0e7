/**
 * Which entries are shown: words and filters over thousands of entries, while somebody types.
 */

import { IEntry } from './records';

/** What must hold of an entry; an empty text asks for nothing. */
export interface IFilter {
  words: string;
  notebook: string;
  project: string;
  tag: string;
  release: string;
  /** How many days ago at most; empty for any. */
  days: string;
  /** `hand` or `automatic`; empty for both. */
  kind: string;
}

export const EVERYTHING: IFilter = {
  words: '',
  notebook: '',
  project: '',
  tag: '',
  release: '',
  days: '',
  kind: ''
};

/** The values that there are to filter by, in the order of the alphabet. */
export interface IChoices {
  notebook: string[];
  project: string[];
  tag: string[];
  release: string[];
}

// Entries are replaced and never changed, so what was made of one holds as long as it does.
const texts = new WeakMap<IEntry, string>();

/**
 * Return a text in which spellings that look alike to a reader are alike: 'Größe' -> 'grosse'.
 */
export function folded(text: string): string {
  return text
    .toLowerCase()
    .replace(/ß/g, 'ss')
    .normalize('NFKD')
    .replace(/\p{M}/gu, '');
}

/**
 * Entries that the filter asks for: every word is somewhere in title, note, notebook, folder, release, tags or id.
 */
export function matching(
  entries: ReadonlyArray<IEntry>,
  filter: IFilter,
  now: number = Date.now()
): ReadonlyArray<IEntry> {
  const words = folded(filter.words).split(/\s+/).filter(Boolean);
  const { notebook, project, tag, release, days, kind } = filter;
  const since = days
    ? new Date(now - Number(days) * 86_400_000).toISOString()
    : '';
  const asked = notebook || project || tag || release || since || kind;
  if (!words.length && !asked) {
    return entries;
  }
  return entries.filter(
    entry =>
      (!notebook || entry.notebook === notebook) &&
      (!project || entry.project === project) &&
      (!tag || entry.tags.includes(tag)) &&
      (!release || entry.environment.release?.label === release) &&
      (!since || entry.time >= since) &&
      (!kind || (kind === 'automatic') === !!entry.automatic) &&
      words.every(word => textOf(entry).includes(word))
  );
}

/**
 * Everything that entries can be filtered by.
 */
export function choices(entries: ReadonlyArray<IEntry>): IChoices {
  const notebook = new Set<string>();
  const project = new Set<string>();
  const tag = new Set<string>();
  const release = new Set<string>();
  for (const entry of entries) {
    notebook.add(entry.notebook);
    project.add(entry.project);
    entry.tags.forEach(one => tag.add(one));
    release.add(entry.environment.release?.label ?? '');
  }
  const sorted = (values: Set<string>) =>
    [...values].filter(Boolean).sort((a, b) => a.localeCompare(b));
  return {
    notebook: sorted(notebook),
    project: sorted(project),
    tag: sorted(tag),
    release: sorted(release)
  };
}

function textOf(entry: IEntry): string {
  let text = texts.get(entry);
  if (text === undefined) {
    text = folded(
      [
        entry.title,
        entry.note,
        entry.notebook,
        entry.area,
        entry.project,
        entry.environment.release?.label ?? '',
        entry.tags.join(' '),
        entry.id
      ].join('\n')
    );
    texts.set(entry, text);
  }
  return text;
}
