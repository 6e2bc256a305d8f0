// What a person's own page shows, loaded as one, and acts on it that say how they went.
import { ask, client, type People, type Person, type PersonDetail, type SessionItem } from '../../api/client';
import { listen } from '../../api/live.svelte';
import { session } from '../session/session.svelte';

export class Own {
  people = $state.raw<People | null>(null);
  me = $state.raw<PersonDetail | null>(null);
  sessions = $state.raw<SessionItem[]>([]);
  failed = $state('');
  readonly #stop = listen({ people: () => void this.load(), reload: () => void this.load() });

  get founded(): boolean {
    return this.people?.founded ?? false;
  }
  // A session by a one-time code looks, and does no more.
  get looksOnly(): boolean {
    return session.me?.came_by === 'code';
  }
  nameOf(id: string): string {
    return this.people?.people.find((one) => one.person === id)?.name ?? id.slice(0, 8);
  }
  get others(): Person[] {
    return (this.people?.people ?? []).filter((one) => one.person !== session.me?.person && one.state === 'here' && one.passkeys > 0);
  }
  async load(): Promise<void> {
    const id = session.me?.person;
    if (id === undefined) return;
    try {
      const [people, me, mine] = await Promise.all([
        ask(client.GET('/v1/people')),
        ask(client.GET('/v1/people/{id}', { params: { path: { id } } })),
        ask(client.GET('/v1/sessions')),
      ]);
      this.people = people;
      this.me = me;
      this.sessions = mine.sessions;
      this.failed = '';
    } catch (error) {
      this.failed = (error as Error).message;
    }
  }
  close(): void {
    this.#stop();
  }
}
