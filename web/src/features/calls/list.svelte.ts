// The list of calls: pages by cursor, live updates in place, new calls behind "N new" so that no row jumps.
import { ask, client, type Call, type Direction, type Phase } from '../../api/client';

export interface Filter {
  day: string;
  phase: string;
  direction: string;
}
const PAGE = 100;
const KEPT_MAX = 5_000;
const EXPORT_MAX = 20_000;

function query(filter: Filter, cursor: string | null, limit: number) {
  return {
    limit,
    ...(filter.day ? { day: filter.day } : {}),
    ...(filter.phase ? { phase: filter.phase as Phase } : {}),
    ...(filter.direction ? { direction: filter.direction as Direction } : {}),
    ...(cursor ? { cursor } : {}),
  };
}

export function fits(call: Call, filter: Filter): boolean {
  return (
    (filter.day === '' || new Date(call.started_at).toISOString().slice(0, 10) === filter.day) &&
    (filter.phase === '' || call.phase === filter.phase) &&
    (filter.direction === '' || call.direction === filter.direction)
  );
}

const newestFirst = (a: Call, b: Call): number => b.started_at - a.started_at || (a.id < b.id ? 1 : -1);

export class CallList {
  calls = $state.raw<Call[]>([]);
  fresh = $state.raw<Call[]>([]);
  next = $state<string | null>(null);
  state = $state<'loading' | 'good' | 'failed'>('loading');
  why = $state('');
  #filter: Filter = { day: '', phase: '', direction: '' };
  #serial = 0;

  async load(filter: Filter): Promise<void> {
    const serial = ++this.#serial;
    const same = JSON.stringify(filter) === JSON.stringify(this.#filter);
    this.#filter = filter;
    if (!same || this.state === 'failed') this.state = 'loading';
    try {
      const page = await ask(client.GET('/v1/calls', { params: { query: query(filter, null, PAGE) } }));
      if (serial !== this.#serial) return;
      this.calls = page.calls;
      this.next = page.next_cursor;
      this.fresh = [];
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
    const page = await ask(client.GET('/v1/calls', { params: { query: query(this.#filter, this.next, PAGE) } }));
    if (serial !== this.#serial) return;
    this.calls = [...this.calls, ...page.calls].slice(0, KEPT_MAX);
    this.next = this.calls.length >= KEPT_MAX ? null : page.next_cursor;
  }

  // After a break: what changed is looked up, what is new waits as always.
  async refresh(): Promise<void> {
    const page = await ask(client.GET('/v1/calls', { params: { query: query(this.#filter, null, PAGE) } }));
    for (const call of page.calls) this.told(call);
  }

  told(call: Call): void {
    const put = (list: Call[]): Call[] | null => {
      const at = list.findIndex((known) => known.id === call.id);
      return at < 0 ? null : list.with(at, call);
    };
    const calls = put(this.calls);
    if (calls !== null) {
      this.calls = calls;
      return;
    }
    if (this.state !== 'good' || !fits(call, this.#filter)) return;
    const fresh = put(this.fresh);
    if (fresh !== null) this.fresh = fresh;
    else if (this.calls.length === 0) this.calls = [call];
    else if (this.fresh.length < KEPT_MAX) this.fresh = [call, ...this.fresh];
  }

  showFresh(): void {
    this.calls = [...this.fresh, ...this.calls].sort(newestFirst).slice(0, KEPT_MAX);
    this.fresh = [];
  }

  async everything(): Promise<{ calls: Call[]; cut: boolean }> {
    const calls: Call[] = [];
    let cursor: string | null = null;
    do {
      const page: { calls: Call[]; next_cursor: string | null } = await ask(
        client.GET('/v1/calls', { params: { query: query(this.#filter, cursor, 1000) } }),
      );
      calls.push(...page.calls);
      cursor = page.next_cursor;
    } while (cursor !== null && calls.length < EXPORT_MAX);
    return { calls, cut: cursor !== null };
  }
}
