import { linesOf } from '../hunks';

describe('linesOf', () => {
  it('numbers both sides', () => {
    const lines = linesOf({
      before: 4,
      after: 6,
      lines: [
        [' ', 'same'],
        ['-', 'old'],
        ['+', 'new one'],
        ['+', 'another'],
        [' ', 'same']
      ]
    });
    expect(lines.map(({ before, after }) => [before, after])).toEqual([
      [5, 7],
      [6, null],
      [null, 8],
      [null, 9],
      [7, 10]
    ]);
  });

  it('marks what differs in a line that took another one’s place', () => {
    const [old, now] = linesOf({
      before: 0,
      after: 0,
      lines: [
        ['-', 'mass = 125.1 # GeV'],
        ['+', 'mass = 125.35 # GeV']
      ]
    });
    expect(old.parts).toEqual(['mass = 125.', '1', ' # GeV']);
    expect(now.parts).toEqual(['mass = 125.', '35', ' # GeV']);
  });

  it('marks nothing in lines that have little in common', () => {
    const [old] = linesOf({
      before: 0,
      after: 0,
      lines: [
        ['-', 'import numpy'],
        ['+', 'print(1)']
      ]
    });
    expect(old.parts).toEqual(['import numpy', '', '']);
  });
});
