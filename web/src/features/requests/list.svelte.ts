// Lists of requests: one's own, what waits for one's role, all; by pages, looked up again when one of them moves.
import { ask, client } from '../../api/client';
import { is } from '../../vault/own';
import { turns } from './turns.svelte';
import type { DisclosureRequest } from './rules';

export type View = 'mine' | 'verify' | 'release' | 'review' | 'all';
const PAGE = 100;

export function viewsOfMine(): View[] {
  const views: View[] = ['mine'];
  if (is('expert')) views.push('verify');
  if (is('authorised')) views.push('release');
  // Whoever somebody answers to reviews, whatever their role.
  if (is('supervisor', 'owner') || turns.told.review > 0) views.push('review');
  if (is('authorised', 'supervisor', 'owner', 'auditor')) views.push('all');
  return views;
}
// What waits for somebody comes first; what is one's own when nothing does.
export function firstView(): View {
  if (is('expert')) return 'verify';
  if (is('authorised')) return 'release';
  return is('supervisor', 'owner', 'auditor') && !is('agent', 'technician') ? 'all' : 'mine';
}

export class RequestList {
  requests = $state.raw<DisclosureRequest[]>([]);
  people = $state.raw<Record<string, string>>({});
  next = $state<string | null>(null);
  state = $state<'loading' | 'good' | 'failed'>('loading');
  why = $state('');
  #view: View = 'mine';
  #serial = 0;

  async load(view: View): Promise<void> {
    const serial = ++this.#serial;
    if (view !== this.#view) this.state = 'loading';
    this.#view = view;
    try {
      const page = await ask(client.GET('/v1/requests', { params: { query: { view, limit: PAGE } } }));
      if (serial !== this.#serial) return;
      this.requests = page.requests;
      this.people = page.people;
      this.next = page.next_cursor;
      this.state = 'good';
    } catch (error) {
      if (serial !== this.#serial) return;
      this.why = (error as Error).message;
      this.state = 'failed';
    }
  }
  async more(): Promise<void> {
    if (this.next === null) return;
    const serial = this.#serial;
    const page = await ask(client.GET('/v1/requests', { params: { query: { view: this.#view, limit: PAGE, cursor: this.next } } }));
    if (serial !== this.#serial) return;
    this.requests = [...this.requests, ...page.requests];
    this.people = { ...this.people, ...page.people };
    this.next = page.next_cursor;
  }
}
