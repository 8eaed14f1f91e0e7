import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';

import { sorted } from '../doctor-view';
import { addExample } from '../example';
import { proposedFile } from '../export-entry';
import { PageApi } from '../page-api';
import { retryOf } from '../retry';
import { CommandIDs } from '../tokens';
import { known } from '../vanished';
import { LogbookModel } from '../model';
import { entry, job } from './records';

const trans = nullTranslator.load('vml_jupyter');

describe('proposedFile', () => {
  it.each([
    ['Higgs fit: 2nd try', 'higgs-fit-2nd-try.vml'],
    ['../../etc/passwd', 'etc-passwd.vml'],
    ['Größe', 'gro-e.vml'],
    ['測定', 'entry1.vml'],
    ['a'.repeat(200), `${'a'.repeat(60)}.vml`]
  ])('%s', (title, file) => {
    expect(proposedFile(entry({ title }))).toBe(file);
  });
});

describe('sorted', () => {
  it('puts what is missing first', () => {
    const finding = (
      what: string,
      verdict: 'good' | 'limited' | 'missing'
    ) => ({
      what,
      verdict,
      why: ''
    });
    const found = [
      finding('a', 'good'),
      finding('b', 'limited'),
      finding('c', 'missing')
    ];
    expect(sorted(found).map(one => one.what)).toEqual(['c', 'b', 'a']);
  });
});

describe('retryOf', () => {
  it('leads to what is missing where the computer lacks something', () => {
    const error = {
      code: 'libvirt-unreachable',
      message: '',
      hint: '',
      console: ''
    };
    const failed = job({ kind: 'restore', state: 'failed', error });
    expect(retryOf(failed, trans)?.command).toBe(CommandIDs.doctor);
  });

  it('asks again what an export needs to know', () => {
    const failed = job({ kind: 'export', state: 'failed' });
    expect(retryOf(failed, trans)).toMatchObject({
      command: CommandIDs.exportEntry,
      args: { entry: 'entry1' }
    });
  });
});

describe('known', () => {
  it('looks once more before an entry is said to be gone', async () => {
    const listed = [entry()];
    const model = {
      entries: [] as unknown[],
      refresh: async () => void (model.entries = listed)
    };
    const asked = model as unknown as LogbookModel;
    expect(await known(asked, 'entry1')).toEqual(entry());
    expect(await known(asked, 'entry2')).toBeUndefined();
  });
});

describe('the example', () => {
  it('is laid where the file browser is, and opened', async () => {
    const commands = new CommandRegistry();
    const opened: unknown[] = [];
    commands.addCommand('docmanager:open', {
      describedBy: { args: { type: 'object', properties: {} } },
      execute: args => opened.push(args.path)
    });
    const page = { layExample: async (to: string) => `${to}/vml-example/a` };
    const browser = {
      tracker: { currentWidget: { model: { path: 'RTC:work' } } }
    };
    addExample(commands, page as unknown as PageApi, browser as never, trans);
    await commands.execute(CommandIDs.tryExample);
    expect(opened).toEqual(['work/vml-example/a']);
  });
});
