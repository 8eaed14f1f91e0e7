/**
 * Where the logbook branches: an entry that was restored and captured again has two futures.
 *
 *    newest  o       lane 0          o
 *            | o     lane 1          | o
 *            |/                      |/
 *    oldest  o       the parent      o
 *
 * A line of entries without a branch says nothing that the list does not, so only families with one are drawn.
 */

import { IEntry } from './records';

/** How one row of the list is drawn; lanes count from the left, 0 first. */
export interface ITrack {
  lane: number;
  /** Lanes of later entries that end in this one. */
  from: number[];
  /** Whether its own parent is further down. */
  on: boolean;
  /** Lanes of others that pass by. */
  past: number[];
  /** How many entries continue this one. */
  futures: number;
}

/**
 * Return the tracks of entries, newest first, that belong to a family which branches.
 */
export function tracks(entries: ReadonlyArray<IEntry>): Map<string, ITrack> {
  const drawn = branching(entries);
  const found = new Map<string, ITrack>();
  const lanes: (string | null)[] = [];
  for (const entry of entries) {
    const own = drawn.get(entry.id);
    if (!own && lanes.every(id => id === null)) {
      continue;
    }
    const from = indices(lanes, id => id === entry.id);
    const past = indices(lanes, id => id !== null && id !== entry.id);
    if (!own) {
      if (past.length) {
        found.set(entry.id, {
          lane: -1,
          from: [],
          on: false,
          past,
          futures: 0
        });
      }
      continue;
    }
    const free = lanes.indexOf(null);
    const lane = from[0] ?? (free < 0 ? lanes.length : free);
    from.forEach(index => (lanes[index] = null));
    lanes[lane] = own.parent;
    found.set(entry.id, {
      lane,
      from,
      on: own.parent !== null,
      past,
      futures: own.futures
    });
  }
  return found;
}

/**
 * Return, for each entry of a family that branches, its parent, if that is listed further down, and its futures.
 */
function branching(
  entries: ReadonlyArray<IEntry>
): Map<string, { parent: string | null; futures: number }> {
  const places = new Map(entries.map((entry, place) => [entry.id, place]));
  const futures = new Map<string, number>();
  const family = entries.map((_, place) => place);
  const root = (place: number): number => {
    while (family[place] !== place) {
      family[place] = family[family[place]];
      place = family[place];
    }
    return place;
  };
  const parents = entries.map((entry, place) => {
    const parent = places.get(entry.parent);
    // A parent that is listed above would be a line in the wrong direction: a clock was set back.
    if (parent === undefined || parent <= place) {
      return null;
    }
    futures.set(entry.parent, (futures.get(entry.parent) ?? 0) + 1);
    family[root(place)] = root(parent);
    return entry.parent;
  });
  const forked = new Set<number>();
  futures.forEach((count, id) => {
    if (count > 1) {
      forked.add(root(places.get(id)!));
    }
  });
  const found = new Map<string, { parent: string | null; futures: number }>();
  entries.forEach((entry, place) => {
    if (forked.has(root(place))) {
      found.set(entry.id, {
        parent: parents[place],
        futures: futures.get(entry.id) ?? 0
      });
    }
  });
  return found;
}

function indices<T>(values: T[], holds: (value: T) => boolean): number[] {
  return values.flatMap((value, index) => (holds(value) ? [index] : []));
}
