// An agent's desk: the call at their telephone and what is typed during it. Values are in the inputs alone, for as long as
// they are typed; this holds ids, chips and times, and none of it after the call.
import { ask, client, Problem, type LiveCall, type Private } from '../../api/client';
import type { components } from '../../api/schema';
import { v } from '../../words/vault';
import { lookUp, newIntake, store, whyNot, type Found, type Stored } from '../../vault/acts';
import { is } from '../../vault/own';

export type Policy = components['schemas']['Policy'];
export type CaseItem = components['schemas']['CaseItem'];
export type Sides = 'both' | 'customer';
export type Spec = Policy['fields'][number];
export interface Chosen {
  customer: string;
  case: number; // 0: a new one
}
export interface Link {
  url: string;
  until: number;
  field: string;
  of: Chosen;
  madeAt: number;
  answered: boolean;
}
export interface Chip {
  field: string;
  label: string;
  class: string;
  goneAt: number;
  kept: string;
}

const SECRETS = ['password', 'pin', 'card', 'code', 'service_word'];
export const isSecret = (kind: string): boolean => SECRETS.includes(kind);

export class Desk {
  policy = $state.raw<Policy | null>(null);
  failed = $state('');
  // ---- the call ----
  live = $state.raw<LiveCall>({ call: null, started_at: null, attestation: '', private: null });
  privacy = $state<'off' | 'on' | 'unknown'>('off');
  sides = $state<Sides>('both'); // of a call that is private
  unsure = $state(false); // whose side is whose nobody can say: both are private, though one was asked for
  privateUntil = $state(0);
  waitUntil = $state(0);
  over = $state(false); // a call has ended and everything of it is gone
  // ---- the customer ----
  found = $state.raw<Found[] | null>(null);
  caller = $state<'' | 'looked' | 'none'>(''); // whether what was found is by the number of the call
  chosen = $state.raw<Chosen | null>(null);
  chips = $state.raw<Chip[]>([]);
  link = $state.raw<Link | null>(null);
  notice = $state('');
  wiped = $state(0); // forms are made anew with each
  picked = $state(0); // a case was chosen: what was typed for another is gone
  // ---- cases ----
  mine = $state.raw<CaseItem[]>([]);
  given = $state.raw<CaseItem[]>([]);
  technicians = $state.raw<{ person: string; name: string }[]>([]);
  #intake = '';

  async load(): Promise<void> {
    try {
      this.policy = await ask(client.GET('/v1/policy'));
      await this.loadCases();
      if (!is('agent')) return;
      this.told(await ask(client.GET('/v1/live-call')));
      await this.loadPeople();
    } catch (error) {
      this.failed = whyNot(error);
    }
  }
  // Who may be given a case; people come and go while this page is open.
  async loadPeople(): Promise<void> {
    const { people } = await ask(client.GET('/v1/people'));
    this.technicians = people.filter((one) => one.state === 'here' && one.roles.includes('technician'));
  }
  async loadCases(): Promise<void> {
    const list = async (mine: 'opened' | 'assigned'): Promise<CaseItem[]> =>
      (await ask(client.GET('/v1/cases', { params: { query: { state: 'open', mine } } }))).cases;
    if (is('agent')) this.mine = await list('opened');
    if (is('technician')) this.given = await list('assigned');
  }

  // ---- the call ---------------------------------------------------------------------------------

  told(now: LiveCall): void {
    const ended = this.live.call !== null && this.live.call !== now.call;
    if (ended) {
      this.wipe();
      void this.loadCases().catch(() => {}); // none of them is on the line any more
    }
    const fresh = now.call !== this.live.call;
    if (fresh) this.unsure = false;
    if (fresh && now.call !== null) void this.#findCaller(now.call);
    // What nobody can say now stays as it was; of a call that is new here it is not guessed.
    if (now.private !== null) this.#stands(now.private);
    else if (fresh) {
      this.privacy = now.call === null ? 'off' : 'unknown';
      this.privateUntil = 0;
      this.waitUntil = 0;
    }
    if (now.call !== null) this.over = false;
    else if (ended) this.over = true;
    this.live = now;
  }
  // Who has the number of the call, which this page never learns. What the agent found or chose meanwhile stays.
  async #findCaller(call: string): Promise<void> {
    const found = await ask(client.POST('/v1/live-call/lookup', { body: {} })).catch((error: unknown) =>
      error instanceof Problem && error.status === 404 ? null : undefined,
    );
    if (found === undefined || this.live.call !== call || this.found !== null || this.chosen !== null) return;
    // Of the call that was at the telephone when it was asked, which need be neither of these two.
    if (found !== null && found.call !== call) return;
    this.found = found?.customers ?? null;
    this.caller = found === null ? 'none' : 'looked';
  }
  async refreshCall(): Promise<void> {
    if (is('agent')) this.told(await ask(client.GET('/v1/live-call')));
  }
  #stands(state: Private): void {
    this.privacy = state.on ? 'on' : 'off';
    this.sides = state.sides ?? 'both';
    if (!state.on || this.sides === 'customer') this.unsure = false;
    this.privateUntil = state.on ? Date.now() + state.left_ms : 0;
    this.waitUntil = state.wait_ms > 0 ? Date.now() + state.wait_ms : 0;
  }
  async setPrivate(on: boolean, sides: Sides = 'both'): Promise<void> {
    const { call } = this.live;
    if (call === null) return;
    this.failed = '';
    try {
      const state = await ask(client.POST('/v1/calls/{id}/private', { params: { path: { id: call } }, body: on ? { on, sides } : { on } }));
      if (this.live.call !== call) return;
      this.#stands(state);
      this.unsure = on && sides === 'customer' && state.sides === 'both';
    } catch (error) {
      this.failed = whyNot(error);
    }
  }
  // It ends by itself.
  privateOver(): void {
    this.privacy = 'off';
    this.privateUntil = 0;
  }

  // ---- the customer -----------------------------------------------------------------------------

  wipe(): void {
    this.found = null;
    this.caller = '';
    this.chosen = null;
    this.chips = [];
    this.link = null;
    this.notice = '';
    this.failed = '';
    this.#intake = '';
    this.wiped += 1;
  }
  async find(field: string, text: string): Promise<void> {
    this.found = await lookUp(field, text);
    this.caller = '';
  }
  choose(customer: string, ofCase: number): void {
    this.chosen = { customer, case: ofCase };
    this.chips = [];
    this.link = null;
    this.notice = '';
    this.found = null;
    this.caller = '';
    this.#intake = '';
    this.picked += 1;
  }
  // Sent again it is the same intake: what was stored, and not answered, is not stored twice.
  async store(values: { field: string; text: string }[]): Promise<void> {
    const again = this.#intake !== '';
    if (!again) this.#intake = newIntake();
    const { chosen } = this;
    const of = chosen === null ? null : { customer: chosen.customer, case: chosen.case };
    try {
      const stored = await store(this.#intake, values, of);
      this.#intake = '';
      this.#taken(stored);
    } catch (error) {
      if (!(error instanceof Problem) || (error.status !== 0 && error.status !== 503)) this.#intake = '';
      if (again && error instanceof Problem && error.status === 409) throw new Error(v.desk.storedBefore);
      throw new Error(whyNot(error));
    }
    void this.loadCases().catch(() => {});
  }
  #taken(stored: Stored): void {
    const specs = new Map(this.policy?.fields.map((one) => [one.id, one]));
    const fresh = stored.fields.map((one) => ({
      field: one.field,
      label: specs.get(one.field)?.label ?? one.field,
      class: one.class,
      goneAt: one.gone_at,
      kept: specs.get(one.field)?.kept ?? '',
    }));
    this.chosen = { customer: stored.customer, case: stored.case };
    this.found = null;
    this.chips = [...this.chips.filter((old) => !fresh.some((one) => one.field === old.field)), ...fresh];
    this.notice = v.desk.storedFor(v.caseOf(stored.case));
  }

  // ---- the case ---------------------------------------------------------------------------------

  async close(): Promise<void> {
    const of = this.chosen!;
    await ask(client.POST('/v1/customers/{id}/cases/{case}/closure', { params: { path: { id: of.customer, case: of.case } }, body: {} }));
    this.wipe();
    this.notice = v.desk.closed;
    await this.loadCases();
  }
  async give(technician: string): Promise<void> {
    const of = this.chosen!;
    await ask(
      client.POST('/v1/customers/{id}/cases/{case}/technician', {
        params: { path: { id: of.customer, case: of.case } },
        body: technician === '' ? {} : { technician },
      }),
    );
    await this.loadCases();
  }
  get technician(): string {
    const of = this.chosen;
    return this.mine.find((one) => one.customer === of?.customer && one.case === of.case)?.technician ?? '';
  }
  async makeLink(field: string): Promise<void> {
    const of = this.chosen!;
    const made = await ask(
      client.POST('/v1/customers/{id}/cases/{case}/forms', { params: { path: { id: of.customer, case: of.case } }, body: { field } }),
    );
    const madeAt = await this.#newestLeaf(of, field);
    this.link = { ...made, field, of, madeAt, answered: false };
  }
  async #newestLeaf(of: Chosen, field: string): Promise<number> {
    const { fields } = await ask(client.GET('/v1/customers/{id}', { params: { path: { id: of.customer } } }));
    return Math.max(-1, ...fields.filter((one) => one.field === field).map((one) => one.leaf));
  }
  // Whether the customer has sent it: a newer value is there.
  async lookAtLink(): Promise<void> {
    const { link } = this;
    if (link === null || link.answered || Date.now() >= link.until) return;
    const newest = await this.#newestLeaf(link.of, link.field).catch(() => link.madeAt);
    if (newest > link.madeAt && this.link === link) this.link = { ...link, url: '', answered: true };
  }
}
