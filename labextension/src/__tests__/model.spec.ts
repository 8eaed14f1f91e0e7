import { Signal } from '@lumino/signaling';

import { IApi, Refusal } from '../api';
import {
  ENTRY_EVENT,
  failure,
  JOB_EVENT,
  LAUNCH_EVENT,
  LogbookModel
} from '../model';
import { IDurability, IEntry, IJob, ILaunch, IMachine } from '../records';
import { entry, job, launch, machine } from './records';

/**
 * A server in memory.
 */
class FakeApi {
  listed: IEntry[] = [entry()];
  running: IMachine[] = [machine()];
  active: IJob[] = [];
  refusal: Refusal | null = null;
  reads: string[] = [];

  binned: IEntry[] = [];

  others = false;

  entries = async (limit?: number, others = false) => {
    this.others = others;
    return this._read('entries', this.listed).slice(0, limit || undefined);
  };
  forgotten = async () => this._read('bin', this.binned);
  forget = async (id: string) => this._move(id, this.listed, this.binned);
  unforget = async (id: string) => this._move(id, this.binned, this.listed);
  machines = async () => this._read('machines', this.running);
  jobs = async () => this._read('jobs', this.active);
  elsewhere: ILaunch[] = [];
  launches = async () => this._read('launches', this.elsewhere);
  forgetLaunch = async (id: string) => {
    this._read(`forget ${id}`, []);
    this.elsewhere = this.elsewhere.filter(launch => launch.id !== id);
  };
  asked: boolean[] = [];
  known: Record<string, IDurability> = {};
  durability = async (asking: boolean) => {
    this.asked.push(asking);
    return { ...this.known };
  };

  private _move(id: string, from: IEntry[], to: IEntry[]): void {
    this._read('move', []);
    const at = from.findIndex(entry => entry.id === id);
    to.unshift(...from.splice(at, 1));
  }

  private _read<T>(noun: string, records: T[]): T[] {
    this.reads.push(noun);
    if (this.refusal) {
      throw this.refusal;
    }
    return [...records];
  }
}

const settled = () => new Promise(resolve => setTimeout(resolve));

describe('LogbookModel', () => {
  let api: FakeApi;
  let bus: Signal<object, { schema_id: string }>;
  let model: LogbookModel;
  let told: string[];

  beforeEach(async () => {
    api = new FakeApi();
    bus = new Signal<object, { schema_id: string }>({});
    model = new LogbookModel(api as unknown as IApi, bus);
    told = [];
    model.jobChanged.connect((_, job) => told.push(`${job.id} changed`));
    model.jobEnded.connect((_, job) => told.push(`${job.id} ${job.state}`));
    await model.refresh();
  });

  afterEach(() => model.dispose());

  it('knows nothing before the first answer', () => {
    const fresh = new LogbookModel(api as unknown as IApi);
    expect([fresh.entries, fresh.machines]).toEqual([null, null]);
    fresh.dispose();
  });

  it('reads everything', () => {
    expect(model.entries).toEqual([entry()]);
    expect(model.machines).toEqual([machine()]);
    expect(model.jobs).toEqual([]);
  });

  it('learns how it stands with entries at once, and again from the servers', async () => {
    api.known = { entry1: { state: 'gone', needs: [], choices: [] } };
    api.asked = [];
    await model.refresh();
    await settled();
    expect(model.durability('entry1')?.state).toBe('gone');
    expect(model.durability('entry2')).toBeUndefined();
    expect(api.asked).toEqual([false, true]);
  });

  it('keeps what it knew, and why nothing newer is known', async () => {
    api.refusal = new Refusal({ code: 'wrong-password', message: 'no key' });
    await model.refresh();
    expect(model.entriesFailure?.code).toBe('wrong-password');
    expect(model.entries).toEqual([entry()]);
    api.refusal = null;
    await model.refresh();
    expect(model.entriesFailure).toBeNull();
  });

  it('reads the jobs when the server tells of one, and of nothing else', async () => {
    api.reads = [];
    bus.emit({ schema_id: 'https://events.jupyter.org/other' });
    bus.emit({ schema_id: JOB_EVENT });
    await settled();
    expect(api.reads).toEqual(['jobs']);
  });

  it('reads the machines elsewhere when the server tells of one', async () => {
    api.reads = [];
    api.elsewhere = [launch()];
    bus.emit({ schema_id: LAUNCH_EVENT });
    await settled();
    expect(api.reads).toEqual(['launches']);
    expect(model.launches).toEqual([launch()]);

    await model.forgetLaunch('k3v9');
    expect(api.reads).toEqual(['launches', 'forget k3v9', 'launches']);
    expect(model.launches).toEqual([]);
  });

  it('keeps what it knows of machines elsewhere while nobody answers', async () => {
    api.elsewhere = [launch()];
    await model.refresh();
    api.refusal = new Refusal({ message: 'no answer' });
    bus.emit({ schema_id: LAUNCH_EVENT });
    await settled();
    expect(model.launches).toEqual([launch()]);
  });

  it('says that the server does not answer, and reads all when it is back', async () => {
    const lost = new Refusal({ code: 'no-answer', message: 'no answer' });
    api.refusal = lost;
    await model.readJobs().catch(() => undefined);
    expect(model.lost).toBe(lost);
    api.refusal = null;
    api.reads = [];
    await model.readJobs();
    await settled();
    expect(model.lost).toBeNull();
    expect(api.reads.sort()).toEqual(['bin', 'entries', 'jobs', 'machines']);
  });

  it('reads entries again while they cannot be read, and then no more', async () => {
    api.refusal = new Refusal({ code: 'store-unreachable', message: 'away' });
    await model.refresh();
    api.refusal = null;
    await model.readJobs();
    await settled();
    api.reads = [];
    await model.readArrivals();
    expect(api.reads).toEqual([]);
    expect(model.entriesFailure).toBeNull();
  });

  it.each(['running', 'suspended'] as const)(
    'looks now and then what became of a machine that is %s',
    async state => {
      api.running = [machine({ state })];
      await model.refresh();
      api.running = [];
      api.reads = [];
      for (let look = 0; look < 3; look++) {
        await model.readArrivals();
      }
      expect(api.reads).toEqual(['machines']);
      expect(model.machines).toEqual([]);
    }
  );

  it('sees a machine that another program made', async () => {
    api.running = [];
    await model.refresh();
    api.running = [machine({ state: 'running' })];
    for (let look = 0; look < 3; look++) {
      await model.readArrivals();
    }
    expect(model.machines).toHaveLength(1);
  });

  it('reads the entries when another page changed one', async () => {
    api.reads = [];
    bus.emit({ schema_id: ENTRY_EVENT });
    await settled();
    expect(api.reads.sort()).toEqual(['bin', 'entries']);
  });

  it('lists what other programs backed up on request', async () => {
    await model.showOthers(true);
    expect([model.showsOthers, api.others]).toEqual([true, true]);
    await model.showOthers(false);
    expect([model.showsOthers, api.others]).toEqual([false, false]);
  });

  it('keeps the newer of two answers', async () => {
    const answers: ((entries: IEntry[]) => void)[] = [];
    api.entries = () => new Promise(resolve => answers.push(resolve));
    const both = [model.showOthers(true), model.showOthers(false)];
    answers[1]([]);
    answers[0]([entry({ id: 'older' })]);
    await Promise.all(both);
    expect(model.entries).toEqual([]);
  });

  it('looks how much has come over while something does, and else asks nothing', async () => {
    api.reads = [];
    await model.readArrivals();
    expect(api.reads).toEqual([]);

    api.running = [machine({ arrival: { bytes: 2048, size: 4096 } })];
    await model.refresh();
    api.running = [machine({ arrival: { bytes: 4096, size: 4096 } })];
    api.reads = [];
    await model.readArrivals();
    await model.readArrivals();
    expect(api.reads).toEqual(['machines']);
    expect(model.machines?.[0].arrival?.bytes).toBe(4096);
  });

  it('reads once more, not often, when many events come at once', async () => {
    api.reads = [];
    for (let count = 0; count < 20; count++) {
      bus.emit({ schema_id: JOB_EVENT });
    }
    await settled();
    expect(api.reads).toEqual(['jobs', 'jobs']);
  });

  it('tells how a job gets on, and reads the lists when it ended', async () => {
    model.track(job());
    api.active = [job({ stages: [] })];
    await model.readJobs();
    expect(told).toEqual(['j1 changed']);
    api.reads = [];
    api.active = [job({ state: 'done' })];
    await model.readJobs();
    await settled();
    expect(told).toEqual(['j1 changed', 'j1 done']);
    expect(api.reads).toEqual(['jobs', 'entries', 'machines']);
    await model.readJobs();
    expect(told.length).toBe(2);
  });

  it('keeps a job of its own that an answer on its way does not know', async () => {
    let answer: (jobs: IJob[]) => void = () => undefined;
    api.jobs = () => new Promise(resolve => (answer = resolve));
    const reading = model.readJobs();
    model.track(job());
    answer([]);
    await reading;
    expect(model.jobs).toEqual([job()]);

    api.jobs = async () => [job({ state: 'done' })];
    await model.readJobs();
    expect(told).toEqual(['j1 changed', 'j1 done']);
  });

  it('lets a job of its own go that a later answer does not know', async () => {
    model.track(job());
    await model.readJobs();
    expect(model.jobs).toEqual([]);
  });

  it('tells of the end of a job of its own that it read before it was tracked', async () => {
    api.active = [job({ state: 'done' })];
    await model.readJobs();
    api.reads = [];
    model.track(job());
    expect(told).toEqual(['j1 done']);
    expect(api.reads).toEqual(['entries', 'machines']);
  });

  it('keeps the newer of two answers about machines', async () => {
    const answers: ((machines: IMachine[]) => void)[] = [];
    api.machines = () => new Promise(resolve => answers.push(resolve));
    const reading = [model.refresh(), model.refresh()];
    answers[1]([]);
    answers[0]([machine()]);
    await Promise.all(reading);
    expect(model.machines).toEqual([]);
  });

  it('does not tell of jobs that ended before it looked', async () => {
    api.active = [job({ state: 'failed' })];
    await model.readJobs();
    expect(told).toEqual([]);
    expect(model.jobs.length).toBe(1);
  });

  it('tells of a job that another page started', async () => {
    api.active = [job({ id: 'j2' })];
    await model.readJobs();
    expect(model.isOwn(job({ id: 'j2' }))).toBe(false);
    expect(told).toEqual(['j2 changed']);
  });

  it('moves an entry into the bin and back', async () => {
    const [known] = model.entries!;
    const asked = model.forget(known);
    await settled();
    expect(model.entries).toEqual([]);
    await asked;
    expect(model.bin).toEqual([known]);
    await model.unforget(known.id);
    expect(model.bin).toEqual([]);
    expect(model.entries).toEqual([known]);
  });

  it('keeps an entry that the server does not forget', async () => {
    api.refusal = new Refusal({ code: 'logbook-locked', message: 'no' });
    await expect(model.forget(entry())).rejects.toBe(api.refusal);
    expect(model.entries).toEqual([entry()]);
  });

  it('shows the newest entries while the others are on their way', async () => {
    api.listed = Array.from({ length: 150 }, (_, index) =>
      entry({ id: `e${index}` })
    );
    const fresh = new LogbookModel(api as unknown as IApi);
    const seen = new Set<number>();
    fresh.changed.connect(() => seen.add(fresh.entries?.length ?? -1));
    await fresh.refresh();
    expect([...seen].filter(count => count >= 0)).toEqual([100, 150]);
    fresh.dispose();
  });

  it('reads a long list when the page has nothing else to do', async () => {
    api.listed = Array.from({ length: 150 }, (_, index) =>
      entry({ id: `e${index}` })
    );
    let whenIdle = () => undefined as void;
    window.requestIdleCallback = call => {
      whenIdle = () => call({ didTimeout: false, timeRemaining: () => 50 });
      return 1;
    };
    try {
      const fresh = new LogbookModel(api as unknown as IApi);
      const reading = fresh.refresh();
      await settled();
      expect(fresh.entries).toHaveLength(100);
      whenIdle();
      await reading;
      expect(fresh.entries).toHaveLength(150);
      fresh.dispose();
    } finally {
      delete (window as Partial<Window>).requestIdleCallback;
    }
  });
});

describe('failure', () => {
  it('keeps what has a code, and words for the rest', () => {
    const refusal = new Refusal({ code: 'usage', message: 'm', hint: 'h' });
    expect(failure(refusal)).toBe(refusal);
    expect(failure(new Error('boom')).message).toContain('boom');
  });
});
