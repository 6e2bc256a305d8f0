import { afterEach, describe, expect, test, vi } from 'vitest';
import { charactersLacking, strengthOf } from './strength';

const reload = vi.fn();
vi.stubGlobal('location', { origin: 'https://localhost:8443', pathname: '/', search: '', hash: '', reload });
vi.stubGlobal('addEventListener', () => {});
vi.stubGlobal('document', { addEventListener: () => {} });
const signAs = vi.fn(() => Promise.resolve({}));
vi.mock('./passkeys', () => ({ signAs }));
const { client } = await import('../../api/client');
const { bindThisPage, session } = await import('./session.svelte');
const { pageKey } = await import('./page_key.svelte');
const { ReaderKey } = await import('../../vault/reader_key');

describe('a passphrase', () => {
  test('is as strong as the server says', () => {
    expect(strengthOf('this passphrase is guessed too easily (2 of 4; 3 are needed): take four words')).toEqual({ state: 'weak', of: '2' });
    expect(strengthOf('a passphrase has at least 12 characters; several words are best')).toEqual({ state: 'unknown' });
    expect(strengthOf('client data: no JSON')).toEqual({ state: 'good' });
  });
  test('is counted as the server counts', () => {
    expect(['', 'short', 'zwölf Bären', '四文字で', '🔑🦊🌊', 'x'.repeat(40)].map(charactersLacking)).toEqual([12, 7, 1, 8, 9, 0]);
  });
});

describe('the page\'s key', () => {
  afterEach(() => pageKey.forget());

  test('is the one that was bound at sign-in', async () => {
    const key = await ReaderKey.make();
    pageKey.begin('passkey', key);
    expect(await pageKey.get()).toBe(key);
    expect(await pageKey.pair()).toBe(key.pair);
  });
  test('without a role chart is made once, bound to nobody', async () => {
    pageKey.begin('passphrase', null);
    const [one, two] = await Promise.all([pageKey.get(), pageKey.get()]);
    expect(one).toBe(two);
    expect(pageKey.asking).toBe(false);
  });
  test('is asked for on a page that was loaded anew, once for all who wait', async () => {
    pageKey.begin('passkey', null);
    const waiting = Promise.all([pageKey.get(), pageKey.get()]);
    expect(pageKey.asking).toBe(true);
    const key = await ReaderKey.make();
    pageKey.begin('passkey', key);
    expect(await waiting).toEqual([key, key]);
    expect(pageKey.asking).toBe(false);
  });
  test('is refused when the person cancels, and to who came by a code', async () => {
    pageKey.begin('passkey', null);
    const waiting = pageKey.get();
    pageKey.cancel();
    await expect(waiting).rejects.toThrow('no key');
    pageKey.begin('code', null);
    await expect(pageKey.get()).rejects.toThrow('one-time code');
  });
  test('goes with the session', async () => {
    pageKey.begin('passkey', await ReaderKey.make());
    pageKey.forget();
    expect(pageKey.there).toBe(false);
    pageKey.begin('passkey', null);
    const waiting = pageKey.get();
    pageKey.forget();
    await expect(waiting).rejects.toThrow('no key');
  });
});

describe('a page that was loaded anew', () => {
  const signedIn = (person: string) => ({ person, came_by: 'passkey', at: 1_000 }) as NonNullable<typeof session.me>;
  const answers = (person: string) => {
    const answer = { data: signedIn(person), response: new Response() };
    vi.spyOn(client, 'GET').mockResolvedValue(answer as never);
    return vi.spyOn(client, 'POST').mockResolvedValue({ data: {}, response: new Response() } as never);
  };
  afterEach(() => {
    vi.restoreAllMocks();
    reload.mockClear();
    signAs.mockClear();
    session.me = null;
    pageKey.forget();
  });

  test('binds its key for the person it was drawn for', async () => {
    session.me = signedIn('a1');
    const post = answers('a1');
    pageKey.begin('passkey', null);
    await bindThisPage();
    expect(post).toHaveBeenCalledOnce();
    expect(pageKey.there).toBe(true);
    expect(reload).not.toHaveBeenCalled();
  });
  test('signs nothing when the cookie is another person\'s by now, and is loaded anew', async () => {
    session.me = signedIn('a1');
    const post = answers('b2');
    pageKey.begin('passkey', null);
    const waiting = expect(pageKey.get()).rejects.toThrow('no key');
    await bindThisPage();
    await waiting;
    expect(reload).toHaveBeenCalledOnce();
    expect(signAs).not.toHaveBeenCalled();
    expect(post).not.toHaveBeenCalled();
    expect(pageKey.there).toBe(false);
  });
});
