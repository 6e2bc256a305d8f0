// Changes of the role chart that wait: those of mine, and those that I may sign as the second person. One list for the
// header and the screens, looked at anew when the server tells of one, and now and then.
import { ask, client, type Draft } from '../../api/client';
import { listen } from '../../api/live.svelte';
import { fingerprintOf } from '../../vault/chart_change';
import { session } from '../session/session.svelte';

const LOOK_MS = 30_000;

// What is compared is of the key that is signed, not what the server says of it.
async function withPrint(draft: Draft): Promise<Draft> {
  const { key_id: id, key } = draft.change;
  return { ...draft, fingerprint: key === '' ? draft.fingerprint : await fingerprintOf({ id, key }) };
}

class Drafts {
  list = $state.raw<Draft[]>([]);

  get mine(): Draft[] {
    return this.list.filter((draft) => draft.by === session.me?.person);
  }
  get toSign(): Draft[] {
    return this.list.filter((draft) => draft.by !== session.me?.person);
  }
  async load(): Promise<void> {
    if (session.me === null || session.me.came_by === 'passphrase') return;
    try {
      const { drafts: told } = await ask(client.GET('/v1/chart/drafts'));
      this.list = await Promise.all(told.map(withPrint));
    } catch {
      // The banner says that the server is away; the list stays as it was.
    }
  }
  // While somebody is signed in.
  watch(): () => void {
    const stop = listen({ people: () => void this.load(), reload: () => void this.load() });
    const timer = setInterval(() => document.hidden || void this.load(), LOOK_MS);
    void this.load();
    return () => {
      stop();
      clearInterval(timer);
      this.list = [];
    };
  }
}
export const drafts = new Drafts();
