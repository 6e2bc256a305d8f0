// One request: how it stands, what happened, and the acts on it. Nothing that was opened is in here.
import { ask, client } from '../../api/client';
import type { components } from '../../api/schema';
import { session } from '../session/session.svelte';
import { v } from '../../words/vault';
import { act, type Draft } from '../../vault/acts';
import { me } from '../../vault/own';
import { isOver, type DisclosureRequest, type FieldChip, type Running } from './rules';
import { momentsOf, type Entry, type Moment } from './timeline';

export type Whole = DisclosureRequest & {
  hears: boolean; // the recordings of its call-backs
  running: Running | null;
  fields: FieldChip[];
  people: Record<string, string>;
  dials: number | null;
  attestation: components['schemas']['Attestation'];
};
export type Policy = components['schemas']['Policy'];
const TIMELINE_MAX = 1_000;

export class RequestModel {
  request = $state.raw<Whole | null>(null);
  entries = $state.raw<Entry[]>([]);
  people = $state.raw<Record<string, string>>({});
  policy = $state.raw<Policy | null>(null);
  state = $state<'loading' | 'good' | 'gone' | 'failed'>('loading');
  why = $state('');
  talkingSince = $state(0);
  #serial = 0;
  constructor(readonly id: string) {}

  get moments(): Moment[] {
    return momentsOf(this.entries, this.people, this.request?.fields ?? []);
  }
  name(id: string): string {
    if (id === '') return '—';
    return id === me() ? v.you : (this.people[id] ?? (id === session.me?.person ? session.me.name : v.person(id)));
  }
  label(leaf: number): string {
    return this.request?.fields.find((one) => one.leaf === leaf)?.label ?? v.field(leaf);
  }

  async load(): Promise<void> {
    const serial = ++this.#serial;
    const path = { id: this.id };
    try {
      this.policy ??= await ask(client.GET('/v1/policy'));
      const request = await ask(client.GET('/v1/requests/{id}', { params: { path } }));
      const timeline = await ask(client.GET('/v1/requests/{id}/timeline', { params: { path, query: { limit: TIMELINE_MAX } } }));
      if (serial !== this.#serial) return;
      this.#take(request);
      this.entries = timeline.entries as Entry[];
      this.people = { ...request.people, ...timeline.people };
      this.state = 'good';
    } catch (error) {
      if (serial !== this.#serial) return;
      this.why = (error as Error).message;
      if (this.request === null) this.state = (error as { status?: number }).status === 404 ? 'gone' : 'failed';
    }
  }
  #take(request: Whole): void {
    const talking = request.running?.talking ?? false;
    if (!talking) this.talkingSince = 0;
    else if (this.talkingSince === 0) this.talkingSince = Date.now();
    this.request = request;
  }
  // While the customer is called: only the keeper knows, and tells nobody by itself.
  async look(): Promise<void> {
    const was = this.request;
    const request = await ask(client.GET('/v1/requests/{id}', { params: { path: { id: this.id } } })).catch(() => null);
    if (request === null || this.request !== was) return;
    const moved = request.state !== was?.state || request.running?.ringing !== was?.running?.ringing || request.running?.passed?.length !== was?.running?.passed?.length;
    this.#take(request);
    if (moved) await this.load();
  }
  get isOver(): boolean {
    return this.request !== null && isOver(this.request.state) && this.request.running === null;
  }

  // Signed and put; the copy of the log that screens read is a second behind.
  async act(draft: Draft, words = ''): Promise<void> {
    const before = this.request?.state;
    const views = this.request?.views;
    try {
      await act(draft, words);
    } catch (error) {
      void this.load();
      throw error;
    }
    const PATIENCE = 12;
    for (let i = 0; i < PATIENCE; ++i) {
      await this.load();
      if (this.request?.state !== before || this.request?.views !== views) return;
      await new Promise((done) => setTimeout(done, 250));
    }
  }
}
