import { chosen, imageURL } from '../content-views';
import { comparison, sizes } from '../compare-view';
import { tagChange } from '../entry-head';
import { visibleRows } from '../files-tree';
import { proposedFolder } from '../restore-files';
import { entry } from './records';

const display = (data: Record<string, unknown>) =>
  chosen({ output_type: 'display_data', data });

describe('chosen', () => {
  it('never draws what could run', () => {
    expect(display({ 'application/javascript': 'x' })).toBeNull();
    expect(display({ 'application/vnd.jupyter.widget-view+json': {} })).toBe(
      null
    );
    expect(
      display({ 'application/javascript': 'x', 'text/plain': 'p' })
    ).toEqual({ mime: 'text/plain', data: 'p' });
  });

  it('draws images before texts, and joins lines', () => {
    expect(display({ 'text/plain': 'p', 'image/png': ['a', 'b'] })).toEqual({
      mime: 'image/png',
      data: 'ab'
    });
    expect(
      chosen({ output_type: 'stream', name: 'stderr', text: ['a'] })
    ).toEqual({ mime: 'application/vnd.jupyter.stderr', data: 'a' });
  });
});

describe('imageURL', () => {
  it('takes images only, and only data', () => {
    expect(imageURL('image/png', 'QUJD\n')).toBe('data:image/png;base64,QUJD');
    expect(imageURL('image/png', '" onerror="x')).toBeNull();
    expect(imageURL('text/html', 'QUJD')).toBeNull();
    expect(imageURL('image/svg+xml', '<svg onload="x"/>')).toBe(
      'data:image/svg+xml;charset=utf-8,%3Csvg%20onload%3D%22x%22%2F%3E'
    );
  });
});

describe('comparison', () => {
  const [old, late] = [
    entry({ id: 'old', time: '2026-01-01T00:00:00Z' }),
    entry({ id: 'late', time: '2026-02-01T00:00:00Z', parent: 'old' })
  ];
  const details = (
    one: typeof old,
    parent: typeof old | null,
    here: string | null
  ) => ({
    entry: one,
    environment: {},
    unreadable: 0,
    changing: 0,
    snapshot: '',
    parent,
    children: [],
    here
  });

  it('is always of the earlier with the later', () => {
    const expected = { before: 'old', other: { after: 'late' } };
    expect(comparison(details(late, old, null), 'parent', [])).toEqual(
      expected
    );
    expect(comparison(details(old, null, null), 'now', [late])).toBeNull();
    const chosenOne = comparison(details(late, null, null), 'old', [old]);
    expect(chosenOne).toEqual(expected);
    const turned = comparison(details(old, null, null), 'late', [late]);
    expect(turned).toEqual(expected);
  });

  it('names the folder by its path on the server', () => {
    expect(comparison(details(old, null, ''), 'now', [])).toEqual({
      before: 'old',
      other: { path: '' }
    });
  });
});

describe('sizes', () => {
  const side = (size: number, mode = 0o644, type = 'file') => ({
    size,
    mode,
    type
  });
  it('tells what differs', () => {
    expect(
      sizes({
        path: 'f',
        kind: 'changed',
        before: side(1000),
        after: side(2000, 0o755),
        what: ['content', 'mode']
      })
    ).toBe('1.0 kB → 2.0 kB, 0644 → 0755');
    expect(sizes({ path: 'f', kind: 'added', after: side(5) })).toBe('5 B');
  });
});

describe('tagChange', () => {
  it('names what is to be added and what removed', () => {
    expect(tagChange(['a', 'b'], ['b', 'c'])).toEqual({
      add_tags: ['c'],
      remove_tags: ['a']
    });
  });
});

describe('visibleRows', () => {
  it('has what lies in open folders, at its level', () => {
    const listing = (path: string, ...names: [string, string][]) =>
      [
        path,
        {
          path,
          total: names.length,
          items: names.map(([name, type]) => ({ name, type }))
        }
      ] as const;
    const folders = new Map([
      listing('', ['src', 'dir'], ['x', 'file']),
      listing('src', ['deep', 'dir']),
      listing('src/deep', ['fit.py', 'file'])
    ]);
    const shown = (open: string[]) =>
      visibleRows(folders, new Set(open)).map(row => [row.path, row.level]);
    expect(shown([])).toEqual([
      ['src', 1],
      ['x', 1]
    ]);
    expect(shown(['src', 'src/deep'])).toEqual([
      ['src', 1],
      ['src/deep', 2],
      ['src/deep/fit.py', 3],
      ['x', 1]
    ]);
  });
});

describe('proposedFolder', () => {
  it.each([
    ['/home/ada/fits/', 'fits-2026-01-02'],
    ['', 'entry-2026-01-02'],
    ['/home/ada/.hidden', 'hidden-2026-01-02']
  ])('of %s is %s', (area, folder) => {
    expect(proposedFolder(entry({ area }))).toBe(folder);
  });
});
