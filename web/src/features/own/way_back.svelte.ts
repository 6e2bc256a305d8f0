// Whether an owner who loses their device comes back: another passkey, or two custodians who give a new one. Without, the
// whole company may have nobody any more who changes its role chart.
import { ask, client } from '../../api/client';
import { listen } from '../../api/live.svelte';
import { session } from '../session/session.svelte';

class WayBack {
  lacks = $state(false);
  #serial = 0;

  async load(): Promise<void> {
    const id = session.me?.person;
    if (id === undefined || session.me?.came_by !== 'passkey') return;
    const serial = ++this.#serial;
    try {
      const me = await ask(client.GET('/v1/people/{id}', { params: { path: { id } } }));
      if (serial === this.#serial) this.lacks = me.keys.length === 1 && me.custodians.length === 0;
    } catch {
      // The banner says that the server is away; this is looked at again when it is back.
    }
  }
  // While an owner is signed in.
  watch(): () => void {
    const stop = listen({ people: () => void this.load(), reload: () => void this.load() });
    void this.load();
    return () => {
      stop();
      ++this.#serial;
      this.lacks = false;
    };
  }
}
export const wayBack = new WayBack();
