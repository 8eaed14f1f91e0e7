import { INotebookTracker } from '@jupyterlab/notebook';
import { nullTranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';

import { AutomaticEntries } from '../automatic';
import { ISnapshotRequest } from '../records';
import { meaning } from '../restore-form';
import { byFile } from '../secrets-view';
import { Plots } from '../thumbnail';
import { changed } from '../title';
import { entry, job } from './records';

const trans = nullTranslator.load('vml_jupyter');

describe('changed', () => {
  const file = (path: string) => ({ path, kind: 'changed' as const });

  it.each([
    [[], 0, ''],
    [['n.ipynb'], 0, ''],
    [['n.ipynb'], 2, '2 cells changed'],
    [['n.ipynb', 'src/fit.py'], 1, '1 cell, fit.py changed'],
    [['a', 'b', 'c', 'd'], 0, 'a, b, 2 more files changed']
  ])('%j, %i cells: %s', (paths, cells, said) => {
    expect(changed(paths.map(file), 'n.ipynb', cells, trans)).toBe(said);
  });
});

describe('byFile', () => {
  it('gathers what was found in each file', () => {
    const one = { path: 'a', kind: 'k', where: 'line 1' };
    const two = { path: 'a', kind: 'k', where: 'line 2' };
    const three = { path: 'b', kind: 'k', where: '' };
    expect(byFile([one, three, two])).toEqual([
      ['a', [one, two]],
      ['b', [three]]
    ]);
  });
});

describe('meaning', () => {
  const offered = [
    {
      system: '4.4.0.1',
      bootloader: '2020.07-1',
      label: 'CernVM 4.4.0.1',
      here: false
    }
  ];

  it('says nothing of what was recorded', () => {
    expect(meaning(entry(), '', offered, trans)).toBe('');
  });

  it('says what another one means, and that it comes from elsewhere', () => {
    const said = meaning(entry(), '4.4.0.1', offered, trans);
    expect(said).toContain('CernVM 4.4.0.1 instead of 4.5.0.1');
    expect(said).toContain('downloaded first');
  });

  it('says that the same one is another by now where it is gone', () => {
    const own = [{ ...offered[0], system: '4.5.0.1', here: true }];
    expect(meaning(entry(), '4.5.0.1', own, trans)).toBe('');
    const said = meaning(entry(), '4.5.0.1', own, trans, true);
    expect(said).toContain('published as CernVM 4.5.0.1 by now');
    expect(meaning(entry(), '', own, trans, true)).toBe('');
  });
});

describe('AutomaticEntries', () => {
  const asked: ISnapshotRequest[] = [];
  let minutes = 10;
  let refuses = false;
  const tracker = {
    forEach: () => undefined,
    widgetAdded: new Signal<object, unknown>({})
  } as unknown as INotebookTracker;
  const api = {
    snapshot: async (request: ISnapshotRequest) => {
      asked.push(request);
      if (refuses) {
        throw new Error('no');
      }
      return job();
    }
  };
  const make = () =>
    new AutomaticEntries(
      tracker,
      api,
      () => minutes,
      path => path
    );

  beforeEach(() => {
    asked.length = 0;
    minutes = 10;
    refuses = false;
  });

  it('takes one at most every so many minutes, for each notebook', async () => {
    const automatic = make();
    await automatic.saved('a.ipynb', 'c1', 0);
    await automatic.saved('a.ipynb', 'c1', 9 * 60_000);
    await automatic.saved('b.ipynb', '', 9 * 60_000);
    await automatic.saved('a.ipynb', 'c2', 10 * 60_000);
    expect(asked.map(one => [one.path, one.cell, one.automatic])).toEqual([
      ['a.ipynb', 'c1', true],
      ['b.ipynb', '', true],
      ['a.ipynb', 'c2', true]
    ]);
  });

  it('takes none unless the user wants some', async () => {
    minutes = 0;
    await make().saved('a.ipynb', '', 0);
    expect(asked).toEqual([]);
  });

  it('tries again at the next chance where the server refused', async () => {
    const automatic = make();
    refuses = true;
    await automatic.saved('a.ipynb', '', 0);
    await automatic.saved('a.ipynb', '', 1);
    expect(asked.length).toBe(2);
  });
});

describe('Plots', () => {
  const signal = new AbortController().signal;

  it('asks once for each entry, and shows nothing that is not of pixels', async () => {
    const asked: string[] = [];
    const plots = new Plots(async id => {
      asked.push(id);
      const mime = id === 'svg' ? 'image/svg+xml' : 'image/png';
      return { kind: 'image', mime, data: 'AAAA', bytes: 3 };
    });
    expect((await plots.of('a', signal))?.mime).toBe('image/png');
    await plots.of('a', signal);
    expect(await plots.of('svg', signal)).toBeNull();
    expect(plots.known('svg')).toBeNull();
    expect(plots.known('b')).toBeUndefined();
    expect(asked).toEqual(['a', 'svg']);
  });

  it('forgets the oldest of many', async () => {
    const plots = new Plots(async () => null);
    for (let id = 0; id <= 300; id++) {
      await plots.of(`${id}`, signal);
    }
    expect(plots.known('0')).toBeUndefined();
    expect(plots.known('300')).toBeNull();
  });
});
