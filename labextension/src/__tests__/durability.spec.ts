import { nullTranslator } from '@jupyterlab/translation';

import { GoneBadge, NeedsList, needsText } from '../durability';
import { IDurability } from '../records';

const trans = nullTranslator.load('');

const KNOWN: IDurability = {
  state: 'gone',
  needs: [
    { kind: 'image', name: '2021.05-1', label: 'µCernVM', state: 'here' },
    { kind: 'system', name: '4.5.0.1', label: 'CernVM', state: 'there' },
    { kind: 'repository', name: 'sft', label: 'sft, 7', state: 'gone' },
    { kind: 'repository', name: 'lhcb', label: 'lhcb, 8', state: 'unknown' },
    {
      kind: 'repository',
      name: '/cvmfs/cms.cern.ch',
      label: '/cvmfs/cms.cern.ch',
      state: 'unknown',
      reason: 'its revision was not recorded'
    }
  ],
  choices: []
};

describe('what an entry needs', () => {
  it('is told line by line', () => {
    expect(needsText(KNOWN, trans).split('\n')).toEqual([
      'µCernVM: on this computer',
      'CernVM: still published',
      'sft, 7: gone',
      'lhcb, 8: not known',
      '/cvmfs/cms.cern.ch: not known (its revision was not recorded)'
    ]);
    expect(needsText(undefined, trans)).toBe('');
  });

  it('is listed with the reason', () => {
    const drawn = JSON.stringify(NeedsList({ known: KNOWN, trans }));
    expect(drawn).toContain('"vml-Needs-reason"');
    expect(drawn).toContain('its revision was not recorded');
  });

  it('is pointed out only where something is gone', () => {
    const there: IDurability = { ...KNOWN, state: 'unknown' };
    expect(GoneBadge({ known: KNOWN, trans })).not.toBeNull();
    expect(GoneBadge({ known: there, trans })).toBeNull();
    expect(GoneBadge({ known: undefined, trans })).toBeNull();
  });
});
