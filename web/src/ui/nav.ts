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
  { href: '/', text: t.nav.calls, pages: ['calls', 'call', 'proof'], roles: ['reviewer', 'owner'] },
  {
    href: '/people',
    text: t.nav.people,
    pages: ['people', 'person'],
    roles: ['administrator', 'owner', 'supervisor', 'reviewer', 'expert', 'authorised', 'auditor'],
  },
  { href: '/log', text: t.nav.log, pages: ['log'], roles: ['reviewer', 'owner'] },
  { href: '/system', text: t.nav.system, pages: ['system'], roles: ['reviewer', 'owner'] },
];

export const places = (): Place[] => PLACES.filter(({ roles }) => roles.length === 0 || has(...roles));
export const landing = (): string => places()[0]?.href ?? '/me';
