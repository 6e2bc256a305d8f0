// One person's page: what is known of them, and what may be done by whom.
import { ask, client, type DraftRequest, type Draft, type People, type PersonDetail, type Problem, type SessionItem } from '../../api/client';
import { listen } from '../../api/live.svelte';
import { t } from '../../messages';
import { Act } from '../../ui/act.svelte';
import { has, session } from '../session/session.svelte';
import { change, invite } from './change';
import { mayBeSecond } from './chart';
import { drafts } from './drafts.svelte';

const LOOK_MS = 10_000;

export class PersonModel {
  chart = $state.raw<People | null>(null);
  person = $state.raw<PersonDetail | null>(null);
  sessions = $state.raw<SessionItem[]>([]);
  link = $state.raw<{ kind: 'invited' | 'recovery'; link: string } | null>(null);
  waits = $state.raw<Draft | null>(null);
  gone = $state(false);
  failed = $state('');
  readonly act = new Act();
  readonly #stop = listen({ people: () => void this.load(), reload: () => void this.load() });
  readonly #timer = setInterval(() => document.hidden || void this.load(), LOOK_MS);

  constructor(readonly id: string) {
    void this.load();
  }
  close(): void {
    this.#stop();
    clearInterval(this.#timer);
  }

  get founded(): boolean {
    return this.chart?.founded ?? false;
  }
  get self(): boolean {
    return this.id === session.me?.person;
  }
  // A session by a one-time code looks, and does no more.
  get acts(): boolean {
    return session.me?.came_by !== 'code';
  }
  get owns(): boolean {
    return this.founded && this.acts && has('owner');
  }
  get administers(): boolean {
    return this.acts && has('owner', 'administrator');
  }
  // Who may give them a recovery link, and sign the passkey that they offer.
  get recovers(): boolean {
    return this.founded && this.acts && !this.self && (has('owner') || (this.person?.custodians.includes(session.me?.person ?? '') ?? false));
  }
  nameOf(id: string): string {
    return this.chart?.people.find((one) => one.person === id)?.name ?? id.slice(0, 8);
  }
  get seconds(): string {
    const names = mayBeSecond(this.chart?.people ?? [], session.me?.person ?? '', this.id).map((one) => one.name);
    return names.length === 0 ? t.people.whoMayNone : t.people.whoMay(names.join(', '));
  }

  async load(): Promise<void> {
    const path = { params: { path: { id: this.id } } };
    try {
      const [chart, person, mine] = await Promise.all([
        ask(client.GET('/v1/people')),
        ask(client.GET('/v1/people/{id}', path)),
        has('owner', 'administrator') ? ask(client.GET('/v1/people/{id}/sessions', path)) : Promise.resolve({ sessions: [] }),
      ]);
      this.chart = chart;
      this.person = person;
      this.sessions = mine.sessions;
      this.failed = '';
      if (this.waits) await drafts.load();
      if (this.waits && !drafts.list.some((draft) => draft.draft === this.waits?.draft)) this.waits = null;
    } catch (error) {
      const problem = error as Problem;
      this.gone = problem.status === 404;
      this.failed = this.gone ? '' : problem.message;
    }
  }

  async #after<T>(what: Promise<T>): Promise<T> {
    try {
      return await what;
    } finally {
      await drafts.load();
      await this.load();
    }
  }
  sign(body: DraftRequest, print = ''): Promise<boolean> {
    return this.act.run(body.kind, async () => {
      this.waits = null;
      this.waits = (await this.#after(change(session.me!.person, body, { print }))).waits;
      return this.waits ? '' : t.people.done;
    });
  }
  invite(): Promise<boolean> {
    return this.act.run('invited', async () => {
      this.link = { kind: 'invited', link: await this.#after(invite(session.me!.person, this.id)) };
    });
  }
  recovery(): Promise<boolean> {
    return this.act.run('recovery', async () => {
      const { link } = await ask(client.POST('/v1/people/{id}/recovery', { params: { path: { id: this.id } }, body: {} }));
      this.link = { kind: 'recovery', link };
    });
  }
  endSessions(): Promise<boolean> {
    return this.act.run('sessions', async () => {
      const { ended } = await this.#after(ask(client.DELETE('/v1/people/{id}/sessions', { params: { path: { id: this.id } } })));
      return t.people.ended(ended);
    });
  }
  resetCode(): Promise<boolean> {
    return this.act.run('code', async () => {
      await this.#after(ask(client.DELETE('/v1/people/{id}/code', { params: { path: { id: this.id } } })));
      return t.people.codeGone;
    });
  }
}
