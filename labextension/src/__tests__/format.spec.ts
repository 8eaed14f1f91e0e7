import { nullTranslator } from '@jupyterlab/translation';

import {
  ago,
  amount,
  arrived,
  bytes,
  fraction,
  jobTitle,
  proposedTitle,
  seconds,
  subject,
  tagsOf
} from '../format';
import { entry, job, machine, stage } from './records';

const trans = nullTranslator.load('vml_jupyter');

describe('bytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.0 kB'],
    [9940, '9.9 kB'],
    [9960, '10 kB'],
    [999_499, '999 kB'],
    [999_500, '1.0 MB'],
    [1_234_567, '1.2 MB'],
    [48_300_000, '48 MB'],
    [1.2e12, '1.2 TB'],
    [5e18, '5000 PB']
  ])('%d is %s', (count, said) => {
    expect(bytes(count)).toBe(said);
  });
});

describe('how much has come over to a machine', () => {
  it('is said of the whole working area', () => {
    const some = machine({ arrival: { bytes: 12_300_000, size: 10.1e9 } });
    expect(arrived(some, trans)).toBe('12 MB of 10 GB have come over');
  });

  it('is nothing yet where nothing was read', () => {
    const fresh = machine({ arrival: { size: 2048 } });
    expect(arrived(fresh, trans)).toBe('0 B of 2.0 kB have come over');
  });

  it('is not said where the working area does not come as it is read', () => {
    expect(arrived(machine(), trans)).toBeNull();
    expect(arrived(machine({ arrival: null }), trans)).toBeNull();
  });
});

describe('ago', () => {
  const now = Date.parse('2026-06-15T12:00:00Z');
  it.each([
    ['2026-06-15T11:59:50Z', 'now'],
    ['2026-06-15T12:05:00Z', 'now'],
    ['2026-06-15T11:59:00Z', '1 minute ago'],
    ['2026-06-15T09:30:00Z', '2 hours ago'],
    ['2026-06-14T11:00:00Z', 'yesterday'],
    ['2026-06-12T11:00:00Z', '3 days ago'],
    ['2026-03-01T00:00:00.123456Z', '3 months ago'],
    ['2009-06-01T12:00:00Z', '17 years ago'],
    ['', '']
  ])('%s is %s', (time, said) => {
    expect(ago(time, now, 'en')).toBe(said);
  });
});

describe('seconds', () => {
  it.each([
    [0.95, '0.9 s'],
    [38.2, '38 s'],
    [59.7, '1 min 0 s'],
    [75.4, '1 min 15 s']
  ])('%d is %s', (value, said) => {
    expect(seconds(value)).toBe(said);
  });
});

describe('how far a stage is', () => {
  it('is unknown without a total', () => {
    expect(fraction(undefined)).toBeNull();
    expect(fraction(stage({ done: 3 }))).toBeNull();
    expect(fraction(stage({ done: 0, total: 0 }))).toBeNull();
  });

  it('stays between nothing and all', () => {
    expect(fraction(stage({ done: 1, total: 4 }))).toBe(0.25);
    expect(fraction(stage({ done: 5, total: 4 }))).toBe(1);
  });

  it('is said in the unit of the stage', () => {
    const of = (fields: object) => amount(stage(fields), trans);
    expect(of({})).toBe('');
    expect(of({ done: 12, unit: 'files' })).toBe('12 files');
    expect(of({ done: 12, total: 40, unit: 'files' })).toBe('12 of 40 files');
    expect(of({ done: 2, total: 5 })).toBe('2 of 5');
    expect(of({ done: 1.2e6, total: 3.4e6, unit: 'bytes' })).toBe(
      '1.2 MB of 3.4 MB'
    );
  });
});

describe('proposedTitle', () => {
  const markdown = (source: string) => ({ type: 'markdown', source });

  it('is the first heading', () => {
    const cells = [
      { type: 'code', source: '# a comment' },
      markdown('no heading'),
      markdown('words\n\n## The *dimuon* spectrum ##\n# Later')
    ];
    expect(proposedTitle(cells, 'x.ipynb')).toBe('The *dimuon* spectrum');
  });

  it('is else the name of the notebook', () => {
    expect(proposedTitle([markdown('#hashtag')], 'fits/higgs.ipynb')).toBe(
      'higgs'
    );
  });
});

describe('tagsOf', () => {
  it('splits at commas, once each', () => {
    expect(tagsOf(' a, b c ,,a')).toEqual(['a', 'b c']);
    expect(tagsOf('')).toEqual([]);
  });
});

describe('a job', () => {
  it('is named by the entry or machine it works on', () => {
    const entries = [entry({ id: 'e1', title: 'Higgs fit' })];
    const machines = [machine({ id: 'm1', title: 'Luminosity' })];
    const named = (about: string) =>
      subject(job({ subject: about, title: 'itself' }), entries, machines);
    expect(named('e1')).toBe('Higgs fit');
    expect(named('m1')).toBe('Luminosity');
    expect(named('gone')).toBe('itself');
  });

  it('says what it does', () => {
    expect(jobTitle(job({ kind: 'restore' }), 'Higgs fit', trans)).toBe(
      'Restoring “Higgs fit”'
    );
  });
});
