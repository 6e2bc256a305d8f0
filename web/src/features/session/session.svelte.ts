// Who is signed in, and the site's time zone: what every screen needs.
import { ask, client, onReached, onUnauthorised, type Session } from '../../api/client';
import { connect, disconnect, live } from '../../api/live.svelte';
import { t } from '../../messages';
import { go, router } from '../../ui/router.svelte';

export const session = $state<{
  me: Session | null;
  known: boolean;
  zone: string;
  notice: '' | 'ended';
  enrolled: string;
}>({ me: null, known: false, zone: 'UTC', notice: '', enrolled: '' });

const RETRY_MS = 2_000;

function leave(notice: '' | 'ended'): void {
  disconnect();
  session.me = null;
  session.notice = notice;
  const { page } = router.route;
  if (page === 'signIn' || page === 'enrol') return;
  const back = location.pathname + location.search;
  go(back === '/' ? '/sign-in' : `/sign-in?to=${encodeURIComponent(back)}`, true);
}

onUnauthorised(() => leave(session.me === null ? '' : 'ended'));
onReached((good) => {
  live.reached = good;
});

async function entered(me: Session): Promise<void> {
  const days = await ask(client.GET('/v1/days')).catch(() => null);
  if (days !== null) session.zone = days.time_zone;
  session.me = me;
  session.notice = '';
  connect();
}

export async function begin(): Promise<void> {
  if (router.route.page === 'enrol') {
    session.known = true;
    return;
  }
  try {
    await entered(await ask(client.GET('/v1/session')));
  } catch {
    if (!live.reached) return void setTimeout(() => void begin(), RETRY_MS);
  }
  session.known = true;
}

export async function signIn(name: string, passphrase: string): Promise<void> {
  const answer = await ask(client.POST('/v1/session', { body: { name, passphrase } }), true);
  if ('ticket' in answer) throw new Error(t.signIn.second);
  await entered(answer);
  session.enrolled = '';
  // Only an address of this console is followed, never one that somebody put into a link.
  const to = router.route.query.get('to') ?? '/';
  go(/^\/(?!\/)/.test(to) && !to.includes('\\') ? to : '/', true);
}

export async function signOut(): Promise<void> {
  await ask(client.DELETE('/v1/session')).catch(() => {});
  leave('');
}
