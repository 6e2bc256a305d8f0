// What waits for the act of whoever is signed in: requests to verify, to release and to review, and windows of theirs that
// are open. For the header of every screen: looked at anew when the server tells of a request, and now and then.
import { ask, client } from '../../api/client';
import type { components } from '../../api/schema';
import { listen } from '../../api/live.svelte';
import { has, session } from '../session/session.svelte';

type Told = components['schemas']['Turns'];

const LOOK_MS = 30_000;
const SETTLE_MS = 300; // one step is often told of more than once
const NONE: Told = { verify: 0, release: 0, review: 0, more: false, windows: [] };

class Turns {
  told = $state.raw<Told>(NONE);
  #serial = 0;

  async load(): Promise<void> {
    if (session.me?.came_by === 'passphrase' || !has('agent', 'technician', 'expert', 'authorised', 'supervisor', 'owner')) {
      this.told = NONE;
      return;
    }
    const serial = ++this.#serial;
    try {
      const told = await ask(client.GET('/v1/own/turns'));
      if (serial === this.#serial) this.told = told;
    } catch {
      // The banner says that the server is away; what was told stays as it was.
    }
  }
  // While somebody is signed in.
  watch(): () => void {
    let soon: ReturnType<typeof setTimeout> | undefined;
    const settle = (): void => {
      clearTimeout(soon);
      soon = setTimeout(() => void this.load(), SETTLE_MS);
    };
    const stop = listen({ request: settle, people: settle, reload: settle });
    const timer = setInterval(() => document.hidden || void this.load(), LOOK_MS);
    const back = (): void => void (document.hidden || this.load());
    document.addEventListener('visibilitychange', back);
    void this.load();
    return () => {
      stop();
      clearTimeout(soon);
      clearInterval(timer);
      document.removeEventListener('visibilitychange', back);
      ++this.#serial;
      this.told = NONE;
    };
  }
}
export const turns = new Turns();
