// Who is signed in, and the site's time zone: what every screen needs.
import { ask, client, onReached, onUnauthorised, type HalfSignedIn, type Session } from '../../api/client';
import { connect, disconnect, live } from '../../api/live.svelte';
import { toHex } from '../../reader/bytes';
import type { ReaderKey } from '../../vault/reader_key';
import { zoneOr } from '../../ui/format';
import { go, router } from '../../ui/router.svelte';
import { freshKey, pageKey } from './page_key.svelte';

// The passphrase was right; the second factor is to come.
export type Half = HalfSignedIn & { name: string; since: number };

export const session = $state<{
  me: Session | null;
  known: boolean;
  zone: string;
  notice: '' | 'ended';
  enrolled: string;
  waits: boolean; // who enrolled has no role yet
  half: Half | null;
}>({ me: null, known: false, zone: 'UTC', notice: '', enrolled: '', waits: false, half: null });

export const has = (...roles: string[]): boolean => session.me?.roles.some((role) => roles.includes(role)) ?? false;

const RETRY_MS = 2_000;

function leave(notice: '' | 'ended'): void {
  disconnect();
  pageKey.forget();
  session.me = null;
  session.half = null;
  session.notice = notice;
  const { page } = router.route;
  if (page === 'signIn' || page === 'enrol' || page === 'form') return;
  const back = location.pathname + location.search;
  go(back === '/' ? '/sign-in' : `/sign-in?to=${encodeURIComponent(back)}`, true);
}

onUnauthorised(() => leave(session.me === null ? '' : 'ended'));
onReached((good) => {
  live.reached = good;
});

function entered(me: Session, key: ReaderKey | null): void {
  pageKey.begin(me.came_by, key);
  session.zone = zoneOr(me.time_zone);
  session.me = me;
  session.notice = '';
  connect();
}

export async function begin(): Promise<void> {
  if (router.route.page === 'enrol' || router.route.page === 'form') {
    session.known = true;
    return;
  }
  try {
    entered(await ask(client.GET('/v1/session')), null);
  } catch {
    if (!live.reached) return void setTimeout(() => void begin(), RETRY_MS);
  }
  session.known = true;
}

function arrive(me: Session, key: ReaderKey | null): void {
  entered(me, key);
  session.half = null;
  session.enrolled = '';
  session.waits = false;
  // Only an address of this console is followed, never one that somebody put into a link.
  const to = router.route.query.get('to') ?? '/';
  go(/^\/(?!\/)/.test(to) && !to.includes('\\') ? to : '/', true);
}

// Without a role chart the passphrase is all; with one, `session.half` says what is still wanted.
export async function signIn(name: string, passphrase: string): Promise<void> {
  const answer = await ask(client.POST('/v1/session', { body: { name, passphrase } }), true);
  if (!('ticket' in answer)) return arrive(answer, null);
  session.half = { ...answer, name, since: performance.now() };
}

// The passkey signs the key that this page makes: from then on the keeper seals to it what this person may read.
async function bind(half: Half): Promise<{ me: Session; key: ReaderKey }> {
  const [{ signWith }, key] = await Promise.all([import('./passkeys'), freshKey()]);
  const at = Math.round(half.at + performance.now() - half.since);
  const signature = await signWith(half.party, half.person, await key.challenge(half.person, at), half.passkeys);
  const body = { ticket: half.ticket, reader_key: toHex(key.publicKey), at, signature };
  return { me: await ask(client.POST('/v1/session/passkey', { body }), true), key };
}

export async function signInByPasskey(half: Half): Promise<void> {
  const { me, key } = await bind(half);
  arrive(me, key);
}
export async function signInByCode(half: Half, code: string): Promise<void> {
  arrive(await ask(client.POST('/v1/session/code', { body: { ticket: half.ticket, code } }), true), null);
}

// On a page that was loaded anew: a new key within the same session, signed by the passkey at the server's time, which
// is asked for now: this machine's clock may be any other, and may have slept since the page was loaded. The cookie may
// be another person's by now, who signed in beside this page: what stands here was drawn for the first one, so nothing
// is signed and the page is loaded anew, as the one who is signed in.
export async function bindThisPage(): Promise<void> {
  const me = await ask(client.GET('/v1/session'));
  if (me.person !== session.me?.person) {
    pageKey.cancel();
    return location.reload();
  }
  const since = performance.now();
  const [{ signAs }, key] = await Promise.all([import('./passkeys'), freshKey()]);
  const at = Math.round(me.at + performance.now() - since);
  const signature = await signAs(me.person, await key.challenge(me.person, at));
  await ask(client.POST('/v1/own/readers', { body: { reader_key: toHex(key.publicKey), at, signature } }));
  pageKey.begin(me.came_by, key);
}

export async function signOut(): Promise<void> {
  await ask(client.DELETE('/v1/session')).catch(() => {});
  leave('');
}
