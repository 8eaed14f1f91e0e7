import { nullTranslator } from '@jupyterlab/translation';

import { isEnded, stageName, standing } from '../launch-words';
import { launch } from './records';

const trans = nullTranslator.load('vml_jupyter');

describe('machines on other computers', () => {
  it.each([
    ['paired', 'starting'],
    ['fetch', 'starting'],
    ['ready', 'starting'],
    ['running', 'running'],
    ['captured', 'running'],
    ['suspended', 'resting'],
    ['ended', 'resting'],
    ['removed', 'resting'],
    ['failed', 'broken']
  ])('%s is %s', (state, shown) => {
    expect(standing(launch({ state }))).toBe(shown);
  });

  it('ends when it is removed there, and not before', () => {
    expect(isEnded(launch({ state: 'removed' }))).toBe(true);
    expect(isEnded(launch({ state: 'stopped' }))).toBe(false);
  });

  it('says stages in words, and one that it does not know as it is', () => {
    expect(stageName('fetch', trans)).toBe('downloading the image');
    expect(stageName('later-idea', trans)).toBe('later-idea');
  });
});
