import { tracks } from '../branches';
import { entry } from './records';

const line = (...pairs: [string, string][]) =>
  pairs.map(([id, parent]) => entry({ id, parent }));

describe('tracks', () => {
  it('draws nothing where nothing branches', () => {
    expect(tracks(line(['c', 'b'], ['b', 'a'], ['a', '']))).toEqual(new Map());
  });

  it('draws two futures of one entry', () => {
    const drawn = tracks(line(['d', 'a'], ['c', 'b'], ['b', 'a'], ['a', '']));
    expect([...drawn].map(([id, track]) => [id, track.lane])).toEqual([
      ['d', 0],
      ['c', 1],
      ['b', 1],
      ['a', 0]
    ]);
    expect(drawn.get('b')).toMatchObject({ past: [0], from: [1], on: true });
    expect(drawn.get('a')).toMatchObject({
      from: [0, 1],
      on: false,
      futures: 2
    });
  });

  it('leads the lines past entries of other families', () => {
    const drawn = tracks(
      line(['c', 'a'], ['x', ''], ['b', 'a'], ['a', ''], ['y', ''])
    );
    expect(drawn.get('x')).toEqual({
      lane: -1,
      from: [],
      on: false,
      past: [0],
      futures: 0
    });
    expect(drawn.has('y')).toBe(false);
  });

  it('survives entries that are each other’s parents, or their own', () => {
    const drawn = tracks(line(['a', 'b'], ['b', 'a'], ['c', 'c'], ['d', 'b']));
    expect(drawn).toEqual(new Map());
  });

  it('uses a lane again when its line has ended', () => {
    const drawn = tracks(
      line(
        ['e', 'c'],
        ['d', 'c'],
        ['c', ''],
        ['b2', 'a'],
        ['b1', 'a'],
        ['a', '']
      )
    );
    expect(Math.max(...[...drawn.values()].map(track => track.lane))).toBe(1);
  });
});
