// Where people go, a line a place: whoever has one of the roles (none: everybody) finds it in the header and by Ctrl-K.
// The order decides where somebody lands: at the first place that is for them.
import { has } from '../features/session/session.svelte';
import { t } from '../messages';
import type { Route } from './router.svelte';

export interface Place {
  href: string;
  text: string;
  pages: Route['page'][];
  roles: string[];
}
const PLACES: Place[] = [
  { href: '/desk', text: t.nav.desk, pages: ['desk'], roles: ['agent', 'technician'] },
  {
    href: '/requests',
    text: t.nav.requests,
    pages: ['requests', 'request', 'customer'],
    roles: ['agent', 'technician', 'expert', 'authorised', 'supervisor', 'auditor'],
  },
  { href: '/', text: t.nav.calls, pages: ['calls', 'call', 'proof'], roles: ['reviewer', 'owner'] },
  { href: '/requests', text: t.nav.requests, pages: ['requests', 'request', 'customer'], roles: ['owner'] },
  {
    href: '/people',
    text: t.nav.people,
    pages: ['people', 'person'],
    roles: ['administrator', 'owner', 'supervisor', 'reviewer', 'expert', 'authorised', 'auditor'],
  },
  { href: '/listening', text: t.nav.listening, pages: ['listening'], roles: ['reviewer', 'owner', 'supervisor', 'auditor'] },
  { href: '/log', text: t.nav.log, pages: ['log'], roles: ['reviewer', 'owner', 'auditor'] },
  { href: '/system', text: t.nav.system, pages: ['system', 'retention'], roles: ['reviewer', 'owner'] },
  { href: '/system', text: t.nav.system, pages: ['system'], roles: ['administrator'] },
  { href: '/system/retention', text: t.nav.retention, pages: ['retention'], roles: ['administrator'] },
];

// Somebody with several roles finds each place once.
export const places = (): Place[] =>
  PLACES.filter(({ roles }) => roles.length === 0 || has(...roles)).filter((one, i, all) => all.findIndex(({ href }) => href === one.href) === i);
export const landing = (): string => places()[0]?.href ?? '/me';
