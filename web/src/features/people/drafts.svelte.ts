// Changes of the role chart that wait: those of mine, and those that I may sign as the second person. One list for the
// header and the screens, looked at anew when the server tells of one, and now and then.
import { ask, client, type Draft } from '../../api/client';
import { listen } from '../../api/live.svelte';
import { session } from '../session/session.svelte';

const LOOK_MS = 30_000;

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
      this.list = (await ask(client.GET('/v1/chart/drafts'))).drafts;
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
