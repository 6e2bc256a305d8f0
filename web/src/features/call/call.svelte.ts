// One call on the screen: its account, what was opened of it, orders on it, kept right by events.
import { ask, client, type Account, type Call, type HeldOrder, type Mark, type MissedMark, type NeedlessMark, type Order, type Problem } from '../../api/client';
import { listen } from '../../api/live.svelte';
import { Reader } from '../../api/reader';
import { session } from '../session/session.svelte';
import { pageKey } from '../session/page_key.svelte';
import { Media } from './media';
import { Player } from './player.svelte';

const LIVE_LOOK_MS = 10_000;
const RETRY_MS = 3_000;
const ORDER_LOOK_MS = 1_000;
const ORDER_LOOKS_MAX = 120;

export interface Range {
  startMs: number;
  endMs: number;
}
export interface TrackedOrder extends Order {
  range: Range;
  stream: string;
}
const DONE = ['erased', 'unconfirmed', 'refused', 'held', 'kept'];
export type Side = 'customer' | 'agent' | 'both';

export class CallModel {
  call = $state.raw<Call | null>(null);
  account = $state.raw<Account | null>(null);
  gone = $state(false);
  why = $state('');
  opened = $state('');
  opening = $state(false);
  openFailed = $state('');
  // Counts what the canvases and the transcript must look at again.
  changes = $state(0);
  orders = $state<TrackedOrder[]>([]);
  held = $state.raw<HeldOrder[]>([]);
  marks = $state.raw<Mark[]>([]);
  historyChanges = $state(0);
  readonly media: Media;
  readonly player: Player;
  #id: string;
  #reader = new Reader(() => pageKey.pair());
  #stop: () => void;
  #closed = false;
  #looked = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #loads = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor(id: string) {
    this.#id = id;
    this.media = new Media(id, this.#reader);
    this.player = new Player(this.media);
    this.media.onChange = () => (this.changes += 1);
    this.media.onFailed = (why) => {
      this.openFailed = why;
      this.player.pause();
    };
    this.#stop = listen({
      call: (call) => call.id === id && this.#told(call),
      order: (order) => order.call === id && this.#ordered(order),
      reload: () => void this.load(),
    });
    void this.load();
  }
  close(): void {
    this.#closed = true;
    this.#stop();
    clearTimeout(this.#timer);
    clearTimeout(this.#retry);
    this.player.close();
    this.media.wipeAll();
    this.#reader.close();
  }

  // Loads may overlap (an event comes while another is answered): the one that began last counts, and one that failed is
  // made again, since nothing else would tell this page.
  async load(): Promise<void> {
    const path = { params: { path: { id: this.#id } } };
    const mine = ++this.#loads;
    clearTimeout(this.#retry);
    try {
      const [call, account] = await Promise.all([
        ask(client.GET('/v1/calls/{id}', path)),
        ask(client.GET('/v1/calls/{id}/account', path)),
      ]);
      const held = call.held_orders > 0 ? (await ask(client.GET('/v1/calls/{id}/held', path))).orders : [];
      if (this.#closed || mine !== this.#loads) return;
      this.held = held;
      this.media.setCall(call, account);
      this.call = call;
      this.account = account;
      this.why = '';
      this.changes += 1;
    } catch (error) {
      const problem = error as Problem;
      if (this.#closed || mine !== this.#loads) return;
      this.gone = problem.status === 404;
      this.why = problem.message;
      if (!this.gone) this.#retry = setTimeout(() => void this.load(), RETRY_MS);
    }
  }

  async open(reason: string): Promise<void> {
    this.opening = true;
    this.openFailed = '';
    this.media.reason = reason;
    try {
      await this.media.overview(() => this.#closed);
      this.opened = reason;
      this.media.want(this.player.positionMs);
    } catch (error) {
      this.openFailed = (error as Error).message;
    } finally {
      this.opening = false;
      this.historyChanges += 1;
    }
  }

  // While a call runs or is heard, more of it becomes openable: looked at every ten seconds, each look an entry.
  #told(call: Call): void {
    const changed = this.call?.phase !== call.phase;
    const wait = changed ? 0 : Math.max(0, this.#looked + LIVE_LOOK_MS - Date.now());
    if (this.#timer !== undefined && !changed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#lookAgain(), wait);
  }
  async #lookAgain(): Promise<void> {
    this.#timer = undefined;
    this.#looked = Date.now();
    const unheard = this.account?.intervals.some((interval) => interval.state === 'unheard') ?? false;
    await this.load();
    this.historyChanges += 1;
    if (this.opened === '' || this.opening) return;
    if (unheard) this.media.forgetAudio();
    await this.media.overview(() => this.#closed).catch(() => {});
    this.player.again();
  }

  // ---- erasing
  #streamsOf(side: Side): number[] {
    return (this.call?.streams ?? []).filter((item) => side === 'both' || item.name === side).map((item) => item.stream);
  }
  allClosed(side: Side, range: Range): boolean {
    return this.media.allClosed(this.#streamsOf(side), range.startMs, range.endMs);
  }
  async erase(stream: Side, range: Range, code: string, reason: string): Promise<void> {
    const order = await ask(
      client.POST('/v1/calls/{id}/erasures', {
        params: { path: { id: this.#id } },
        headers: { 'Idempotency-Key': crypto.randomUUID() },
        body: { stream, start_ms: range.startMs, end_ms: range.endMs, reason_code: code, reason },
      }),
    );
    this.#accepted(order, stream, range);
  }
  #accepted(order: Order, stream: Side, range: Range): void {
    const early = this.orders.find((known) => known.id === order.id);
    if (early) Object.assign(early, { range, stream });
    else this.orders.push({ ...order, range, stream });
    // Accepted: it opens to nobody from now on, so this page forgets it as well.
    const from = Math.floor(range.startMs / 100) * 100;
    const to = Math.ceil(range.endMs / 100) * 100;
    for (const one of this.#streamsOf(stream)) this.media.wipeRange(one, from, to);
    this.player.again();
    this.changes += 1;
    void this.#follow(order.id);
  }
  // ---- what the listener missed, or erased needlessly
  async loadMarks(): Promise<void> {
    const path = { params: { path: { id: this.#id } } };
    const { marks } = await ask(client.GET('/v1/calls/{id}/marks', path));
    if (!this.#closed) this.marks = marks;
  }
  get #write() {
    return { params: { path: { id: this.#id } }, headers: { 'Idempotency-Key': crypto.randomUUID() } };
  }
  // They show in the log a second later: until then as they were sent.
  #mark(mark: Partial<Mark> & Pick<Mark, 'type'>): void {
    this.marks = [...this.marks, { at: Date.now(), by: session.me?.person ?? '', kind: '', cause: '', chosen: '', ranges: [], ...mark }];
    this.historyChanges += 1;
  }
  async missed(stream: Side, range: Range, kind: MissedMark['kind'], cause: MissedMark['cause']): Promise<void> {
    const body = { stream, start_ms: range.startMs, end_ms: range.endMs, kind, cause };
    const order = await ask(client.POST('/v1/calls/{id}/missed', { ...this.#write, body }));
    const ranges = this.#streamsOf(stream).map((one) => [one, Math.floor(range.startMs / 100), Math.ceil(range.endMs / 100)]);
    this.#mark({ type: 'secret_missed', kind, cause, ranges });
    this.#accepted(order, stream, range);
  }
  async needless(range: Range, kind: NeedlessMark['kind'], cause: NeedlessMark['cause']): Promise<void> {
    const body = { start_ms: range.startMs, end_ms: range.endMs, kind, cause };
    const { ranges } = await ask(client.POST('/v1/calls/{id}/needless', { ...this.#write, body }));
    this.#mark({ type: 'erasure_needless', kind, cause, ranges });
  }
  async reviewed(chosen: 'random' | 'reason'): Promise<void> {
    await ask(client.POST('/v1/calls/{id}/reviews', { ...this.#write, body: { chosen } }));
    this.#mark({ type: 'call_reviewed', chosen });
  }
  // ---- deciding about what is held
  async decide(held: HeldOrder[], decision: 'erase' | 'keep', reason: string): Promise<void> {
    for (const { order, ranges } of held) {
      const decided = await ask(
        client.POST('/v1/calls/{id}/held/{order}/decision', {
          params: { path: { id: this.#id, order } },
          headers: { 'Idempotency-Key': crypto.randomUUID() },
          body: { decision, reason },
        }),
      );
      const range = { startMs: Math.min(...ranges.map((one) => one.start_ms)), endMs: Math.max(...ranges.map((one) => one.end_ms)) };
      const stream = ranges.every((one) => one.stream === ranges[0]?.stream) ? (ranges[0]?.stream ?? 'both') : 'both';
      const early = this.orders.find((known) => known.id === order);
      if (early) Object.assign(early, { range, stream });
      else this.orders.push({ ...decided, range, stream });
      if (decision === 'erase') void this.#follow(order);
    }
    if (decision === 'keep') await this.#openAgain();
    else await this.load();
    this.historyChanges += 1;
  }
  // Kept: what was closed on this page is asked for anew.
  async #openAgain(): Promise<void> {
    await this.load();
    this.media.forgetAudio();
    this.media.forgetOverview(0, this.media.durationMs);
    this.player.again();
    if (this.opened !== '' && !this.opening) await this.media.overview(() => this.#closed).catch(() => {});
    this.changes += 1;
  }
  async #follow(id: string): Promise<void> {
    for (let look = 0; look < ORDER_LOOKS_MAX && !this.#closed; ++look) {
      const known = this.orders.find((order) => order.id === id);
      if (known && DONE.includes(known.outcome)) return;
      await new Promise((done) => setTimeout(done, ORDER_LOOK_MS));
      const order = await ask(client.GET('/v1/orders/{id}', { params: { path: { id } } })).catch(() => null);
      if (order) this.#ordered(order);
    }
  }
  #ordered(order: Order): void {
    const known = this.orders.find((one) => one.id === order.id);
    if (known) {
      if (known.outcome === order.outcome) return;
      known.outcome = order.outcome;
    }
    if (order.outcome === 'erased' || order.outcome === 'unconfirmed') this.player.again();
    if (order.outcome === 'kept') {
      void this.#openAgain().then(() => (this.historyChanges += 1));
      return;
    }
    void this.load().then(() => {
      this.player.again();
      this.historyChanges += 1;
    });
  }
}
