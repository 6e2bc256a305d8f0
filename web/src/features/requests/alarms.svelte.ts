// What an owner is alarmed about: retention of customers' fields that waits for them, and break-glass that this owner has not opened yet. Told at once by the live stream; looked at anew now and then, too.
import { ask, client } from '../../api/client';
import type { components } from '../../api/schema';
import { listen } from '../../api/live.svelte';
import { has } from '../session/session.svelte';

export type Alarm = components['schemas']['Alarms']['alarms'][number];
const LOOK_MS = 15_000;
// States in which something was just broken open: others need no look.
const BROKEN = ['half_broken', 'open'];

class Alarms {
  list = $state.raw<Alarm[]>([]);
  count = $state(0);
  // Waits for an owner's word: because it has stopped, or a policy states less; '': it does not.
  retention = $state<'' | 'stopped' | 'shorter'>('');
  #serial = 0;

  async load(): Promise<void> {
    if (!has('owner')) {
      this.list = [];
      this.retention = '';
      return;
    }
    const serial = ++this.#serial;
    try {
      const told = await ask(client.GET('/v1/own/alarms'));
      if (serial !== this.#serial) return;
      this.list = told.alarms;
      this.count = told.count;
      const fields = await ask(client.GET('/v1/system/retention/fields'));
      if (serial === this.#serial) this.retention = !fields.waits ? '' : fields.stop === '' ? 'shorter' : 'stopped';
    } catch {
      // The banner says that the server is away; the alarms stay as they were.
    }
  }
  // The request stands before the owner: that is what the alarm was for.
  async seen(request: string): Promise<void> {
    if (!this.list.some((one) => one.request === request)) return;
    try {
      await ask(client.PUT('/v1/own/alarms/{id}', { params: { path: { id: request } } }));
      await this.load();
    } catch {
      // It stays, and is tried again with the next look at the request.
    }
  }
  // While somebody is signed in.
  watch(): () => void {
    const stop = listen({
      request: (told) => {
        if (BROKEN.includes(told.state) || this.list.some((one) => one.request === told.request)) void this.load();
      },
      reload: () => void this.load(),
    });
    const timer = setInterval(() => void this.load(), LOOK_MS);
    void this.load();
    return () => {
      stop();
      clearInterval(timer);
      this.list = [];
      this.count = 0;
      this.retention = '';
    };
  }
}
export const alarms = new Alarms();
