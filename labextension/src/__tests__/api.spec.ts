import { ServerConnection } from '@jupyterlab/services';

import { Api, decoded, Refusal } from '../api';
import { job } from './records';

const reply = (status: number, body: string) =>
  ({ ok: status < 400, status, text: async () => body }) as Response;

describe('decoded', () => {
  it('returns the body', async () => {
    expect(await decoded(reply(200, '{"jobs": []}'))).toEqual({ jobs: [] });
  });

  it('throws what the server said', async () => {
    const said = '{"code": "logbook-locked", "message": "m", "hint": "h"}';
    await expect(decoded(reply(409, said))).rejects.toMatchObject({
      code: 'logbook-locked',
      message: 'm',
      hint: 'h',
      console: ''
    });
  });

  it('tells a server without the extension from an entry that is not there', async () => {
    await expect(decoded(reply(404, '<html>'))).rejects.toMatchObject({
      code: 'no-extension'
    });
    const said = '{"code": "not-found", "message": "m"}';
    await expect(decoded(reply(404, said))).rejects.toMatchObject({
      code: 'not-found'
    });
  });

  it.each([
    [500, '<html>'],
    [200, 'no JSON'],
    [502, '']
  ])('has words for an answer %d that is no JSON', async (status, body) => {
    const answer = decoded(reply(status, body));
    await expect(answer).rejects.toBeInstanceOf(Refusal);
    await expect(answer).rejects.toThrow(`${status}`);
  });
});

describe('Api', () => {
  const asked: { url: string; method?: string; body: unknown }[] = [];
  let answer: () => Promise<Response>;
  const api = new Api(
    ServerConnection.makeSettings({
      baseUrl: 'http://localhost:8888/user/ada/',
      fetch: async (request: RequestInfo | URL) => {
        const { url, method } = request as Request;
        const text = await (request as Request).text();
        asked.push({ url, method, body: text && JSON.parse(text) });
        return answer();
      }
    })
  );

  beforeEach(() => {
    asked.length = 0;
    answer = async () => reply(202, JSON.stringify({ job: job() }));
  });

  it('asks below the base URL, with escaped names', async () => {
    await api.restore('a/b', {
      release: '4.5.0.1',
      without_pins: ['sft.cern.ch'],
      shape: null,
      recorded: ''
    });
    expect(asked[0].url).toMatch(
      /^http:\/\/localhost:8888\/user\/ada\/vml\/api\/entries\/a%2Fb\/restore/
    );
    expect(asked[0].method).toBe('POST');
    expect(asked[0].body).toEqual({
      release: '4.5.0.1',
      without_pins: ['sft.cern.ch'],
      shape: null,
      recorded: ''
    });
  });

  it('returns the job of a snapshot', async () => {
    const request = {
      path: 'a.ipynb',
      cell: '',
      leave_out: [],
      automatic: false,
      title: 't',
      note: '',
      tags: [],
      release: ''
    };
    expect(await api.snapshot(request)).toEqual(job());
    expect(asked[0].body).toEqual(request);
  });

  it('has a long list come over only when it has changed', async () => {
    const told = (body: object) => {
      answer = async () => reply(200, JSON.stringify(body));
    };
    told({ state: 'a', entries: [{ id: 'e1' }] });
    const first = await api.entries();
    told({ state: 'a' });
    expect(await api.entries()).toBe(first);
    expect(
      asked.map(one => new URL(one.url).searchParams.get('known'))
    ).toEqual([null, 'a']);
    told({ state: 'b', entries: [] });
    expect(await api.forgotten()).toEqual([]);
    expect(await api.entries()).toEqual([]);
    expect(new URL(asked[2].url).searchParams.get('known')).toBe(null);
    expect(new URL(asked[3].url).searchParams.get('known')).toBe('a');
  });

  it('says so when nobody answers', async () => {
    answer = async () => {
      throw new TypeError('Failed to fetch');
    };
    await expect(api.jobs()).rejects.toMatchObject({ code: 'no-answer' });
  });
});
