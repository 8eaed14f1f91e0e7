import { choices, EVERYTHING, folded, matching } from '../search';
import { entry } from './records';

const entries = [
  entry({ id: 'a', title: 'Higgs fit', note: 'table 3', tags: ['thesis'] }),
  entry({ id: 'b', title: 'Größe', notebook: 'lumi.ipynb', project: 'P' }),
  entry({ id: 'c', title: 'Higgs mass', release: '4.5.1.0', tags: ['x'] })
];

describe('matching', () => {
  it.each([
    ['', 'abc'],
    ['  ', 'abc'],
    ['higgs', 'ac'],
    ['HIGGS 4.5.1', 'c'],
    ['table higgs', 'a'],
    ['lumi.ipynb', 'b'],
    ['grosse', 'b'],
    ['GRÖSSE', 'b'],
    ['thesis', 'a'],
    ['absent', '']
  ])('%s finds %s', (words, found) => {
    const ids = matching(entries, { ...EVERYTHING, words }).map(one => one.id);
    expect(ids.join('')).toBe(found);
  });

  it.each([
    [{ tag: 'x' }, 'c'],
    [{ project: 'P' }, 'b'],
    [{ notebook: 'higgs.ipynb' }, 'ac'],
    [{ release: 'CernVM 4.5.0.1' }, 'ab'],
    [{ tag: 'thesis', words: 'mass' }, '']
  ])('%j finds %s', (filter, found) => {
    const ids = matching(entries, { ...EVERYTHING, ...filter });
    expect(ids.map(one => one.id).join('')).toBe(found);
  });

  it('gives the same list where nothing is asked, so nothing is drawn anew', () => {
    expect(matching(entries, EVERYTHING)).toBe(entries);
  });
});

describe('matching by date and by how entries were taken', () => {
  const now = Date.parse('2026-02-01T00:00:00Z');
  const some = [
    entry({ id: 'new', time: '2026-01-31T12:00:00.5Z', automatic: true }),
    entry({ id: 'old', time: '2026-01-02T00:00:00Z' })
  ];
  it.each([
    [{ days: '1' }, 'new'],
    [{ days: '31' }, 'new old'],
    [{ kind: 'automatic' }, 'new'],
    [{ kind: 'hand' }, 'old'],
    [{ kind: 'hand', days: '1' }, '']
  ])('%j', (filter, found) => {
    const ids = matching(some, { ...EVERYTHING, ...filter }, now).map(
      one => one.id
    );
    expect(ids.join(' ')).toBe(found);
  });
});

describe('choices', () => {
  it('are what there is, once each and sorted', () => {
    expect(choices(entries)).toEqual({
      notebook: ['higgs.ipynb', 'lumi.ipynb'],
      project: ['P'],
      tag: ['thesis', 'x'],
      release: ['CernVM 4.5.0.1', 'CernVM 4.5.1.0']
    });
  });
});

describe('folded', () => {
  it('makes alike what looks alike', () => {
    expect(folded('Café ﬁt')).toBe('cafe fit');
  });
});
