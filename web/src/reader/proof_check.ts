// Is a proof of erasure true? The nine checks of docs/formats/proof.md, from the file and the log's key alone.
// src/erase/proof_check.cpp is the other reader; tests/vectors/proof.json holds the two to the same answers.
import { Refused, sha256, toHex } from './bytes';
import { readEntry, type Data, type Entry, type Json } from './log';
import { checkInclusion, leafHash, openCheckpoint, utf8, type Checkpoint, type VerifierKey } from './note';
import { CALL_DATA_STREAM, readStatement, SEGMENTS, type Proof, type Statement } from './proof';
import { both, either, joined, leavesOf, minus, rangesOf, type Leaves, type Range } from './spans';
import { LEVELS } from './tree';

export const FINDINGS = [
  'checkpoint', 'entry_not_in_log', 'entry_unreadable', 'entry_of_another', 'entry_later', 'bad_range',
  'no_statement', 'another_statement', 'entries_differ', 'not_begun', 'end_contradicts', 'stream_left_out',
  'stream_end', 'epoch_back', 'no_mirror', 'mirror_epoch', 'no_good_mirror', 'order_left_out', 'order_unknown',
  'erased_left_out', 'call_data_gone', 'key_there', 'key_gone', 'key_beyond_end',
] as const;
export type Finding = (typeof FINDINGS)[number];
export type Note = 'ordered' | 'unconfirmed' | 'mirror' | 'held_gone' | 'held' | 'live' | 'whole' | 'no_row' | 'retention';

export interface ErasedRange {
  range: Range;
  order: string;
  reason: string;
  source: string;
  orderedAt: number;
  erasedAt: number; // 0: not gone yet
  confirmed: boolean; // by every mirror, a retired one that may hold it still counted in
}
export interface Report {
  statement: Statement;
  checkpoint: Checkpoint | null;
  erased: ErasedRange[];
  kept: Range[];
  opens: Range[];
  lost: Range[];
  callDataOpen: boolean; // numbers and names
  objectRoot: string;
  findings: { kind: Finding; about: string }[];
  notes: Note[];
}

const FINDINGS_MAX = 1_000;
const AUDIO: Leaves = [[0, CALL_DATA_STREAM * SEGMENTS]];

interface Intention {
  order: string;
  reason: string;
  source: string;
  leaves: Leaves;
  index: number;
  at: number;
  erasedAt: number;
  epoch: number;
  confirmed: boolean;
  endedBy: number; // index of the entry
  retired: number[]; // mirrors that it leaves out
}
// Of many calls, or of none: their subject is no call.
const OF_MANY = ['erased', 'erase_unconfirmed', 'mirror_retired', 'mirror_returned'];
// Retention names the rows of its calls, [first, end).
const takesRow = ({ type, data }: Entry, row: number | undefined): boolean =>
  type === 'retention_intended' &&
  row !== undefined &&
  (data.rows as Json[]).some((one) => {
    const [first, end] = Array.isArray(one) ? one : [];
    return typeof first === 'number' && typeof end === 'number' && first <= row && row < end;
  });
// What the log says of this call, up to the statement.
class History {
  readonly intentions: Intention[] = [];
  readonly held = new Map<string, Leaves>();
  readonly once = new Map<string, Data>(); // call_started, call_ended, call_sealed
  lost: Leaves = [];
  wholeGone = false; // two persons decided so: the call's own data goes, too
  private readonly wholeOrders = new Set<string>();
  private readonly returned = new Map<number, number>(); // mirror, index of its last mirror_returned
  over = false; // its retention: all of it went

  constructor(private readonly found: (kind: Finding, about?: string) => void) {}

  take(index: number, { type, actor, at, data }: Entry): void {
    const order = data.order as string;
    if (type === 'erased' || type === 'erase_unconfirmed') this.end(type === 'erased', at, index, data);
    else if (type === 'erase_intended')
      this.intentions.push({
        order, at, index,
        reason: data.reason as string,
        source: data.source as string,
        leaves: this.ranges(data.ranges, index),
        erasedAt: 0,
        epoch: 0,
        confirmed: false,
        endedBy: 0,
        retired: [],
      });
    else if (type === 'mirror_returned') this.returned.set(data.mirror as number, index);
    else if (type === 'retention_intended') {
      this.over = true;
      this.intentions.push({
        order, at, index,
        reason: 'retention',
        source: actor,
        leaves: AUDIO,
        erasedAt: 0,
        epoch: 0,
        confirmed: false,
        endedBy: 0,
        retired: [],
      });
    } else if (type === 'order_held') {
      if (data.whole !== undefined) this.wholeOrders.add(order);
      this.held.set(order, either(this.held.get(order) ?? [], this.ranges(data.ranges, index)));
    } else if (type === 'held_decided') {
      this.held.delete(order);
      this.wholeGone ||= this.wholeOrders.has(order) && data.decision === 'erase';
    } else if (type === 'keeper_adopted') this.lost = either(this.lost, this.ranges(data.lost, index));
    else if (type === 'call_started' || type === 'call_ended' || type === 'call_sealed') {
      const before = this.once.get(type);
      if (before && JSON.stringify(before) !== JSON.stringify(data)) this.found('entries_differ', type);
      this.once.set(type, data);
    }
  }

  // An `erased` ends the intentions before it that it names; once it did, nothing changes them.
  private end(confirmed: boolean, at: number, index: number, data: Data): void {
    const orders = new Set(data.orders as Json[]);
    const epoch = Math.max(0, data.epoch as number);
    const retired = ((data.retired ?? []) as number[][]).filter((one) => Array.isArray(one) && one.length === 2);
    for (const one of this.intentions) {
      if (!orders.has(one.order) || one.confirmed || (one.erasedAt !== 0 && !confirmed)) continue;
      Object.assign(one, { erasedAt: at, epoch, confirmed, endedBy: index, retired: retired.map(([mirror]) => mirror) });
    }
  }

  // A mirror that was given up may hold the keys until it is back: it is destroyed first then.
  everywhere(one: Intention): boolean {
    return one.confirmed && one.retired.every((mirror) => (this.returned.get(mirror) ?? 0) > one.endedBy);
  }

  private ranges(value: Json | undefined, index: number): Leaves {
    const good = (value as Range[]).filter(([stream, first, end]) => {
      const holds = stream >= 0 && stream < CALL_DATA_STREAM && first >= 0 && first < end && end <= SEGMENTS;
      if (!holds) this.found('bad_range', `entry ${index}`);
      return holds;
    });
    return leavesOf(good);
  }

  // Streams and their ends: 0 for what never had any.
  streams(): Map<number, number> {
    const out = new Map<number, number>();
    const mask = this.once.get('call_started')?.streams as number | undefined;
    for (let stream = 0; mask !== undefined && stream < CALL_DATA_STREAM; ++stream)
      if (Math.floor(mask / 2 ** stream) % 2 !== 0) out.set(stream, 0);
    for (const [stream, , end] of (this.once.get('call_ended')?.ends ?? []) as Range[])
      if (stream >= 0 && stream < CALL_DATA_STREAM && end >= 0 && end <= SEGMENTS) out.set(stream, end);
      else this.found('bad_range', 'call_ended');
    return out;
  }
}

class Check {
  readonly report: Report;
  private readonly history: History;

  constructor(
    private readonly proof: Proof,
    private readonly statement: Statement,
  ) {
    this.report = {
      statement, checkpoint: null, erased: [], kept: [], opens: [], lost: [], callDataOpen: false,
      objectRoot: '', findings: [], notes: [],
    };
    this.history = new History((kind, about) => this.found(kind, about));
  }

  private found(kind: Finding, about = ''): void {
    if (this.report.findings.length < FINDINGS_MAX) this.report.findings.push({ kind, about });
  }
  private foundLeaves(kind: Finding, leaves: Leaves): void {
    for (const [stream, first, end] of rangesOf(leaves)) this.found(kind, `${stream}:${first}-${end}`);
  }

  async run(key: VerifierKey): Promise<Report> {
    try {
      this.report.checkpoint = await openCheckpoint(this.proof.checkpoint, key); // 1
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.found('checkpoint', error.at);
      return this.report;
    }
    const entries = await this.entriesOfTheLog(this.report.checkpoint); // 2
    const at = await this.statementsEntry(entries); // 3
    if (at === null) return this.report;
    for (const [index, entry] of entries)
      if (index < at) this.history.take(index, entry);
      else if (index > at) this.found('entry_later', `entry ${index}`);
    this.judge();
    return this.report;
  }

  private async entriesOfTheLog(checkpoint: Checkpoint): Promise<Map<number, Entry>> {
    const entries = new Map<number, Entry>();
    let row: number | undefined;
    for (const { index, entry: text, path } of this.proof.entries) {
      let step: Finding = 'entry_not_in_log';
      try {
        await checkInclusion(await leafHash(utf8(text)), index, checkpoint, path);
        step = 'entry_unreadable';
        const entry = readEntry(text);
        if (entry.type === 'call_started') row ??= entry.data.row as number;
        const own = entry.subject === this.statement.call;
        if (own || OF_MANY.includes(entry.type) || takesRow(entry, row)) entries.set(index, entry);
        else this.found('entry_of_another', `entry ${index}`);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        this.found(step, `entry ${index}`);
      }
    }
    return entries;
  }

  private async statementsEntry(entries: Map<number, Entry>): Promise<number | null> {
    const hash = toHex(await sha256(utf8(this.proof.statement)));
    const all = [...entries].filter(([, entry]) => entry.type === 'key_statement');
    const own = all.filter(([, entry]) => entry.data.hash === hash).at(-1);
    if (all.length === 0) this.found('no_statement');
    else if (!own) this.found('another_statement');
    return own?.[0] ?? null;
  }

  private judge(): void {
    const whole = this.wholeCall(); // 4
    this.epochs(); // 9
    const ordered = this.orders(whole, false); // 5
    const erased = this.orders(whole, true);
    this.erasedRanges(whole);
    this.words(whole, ordered, erased); // 6
    this.nodes(whole, ordered, erased); // 7, 8
    this.remarks();
  }

  // Every segment that was, or while the call runs may be, sealed.
  private wholeCall(): Leaves {
    const { row, live, streams } = this.statement;
    const { once } = this.history;
    if (!once.has('call_started')) this.found('not_begun');
    if (once.has('call_ended') ? live : !live && row) this.found('end_contradicts');
    this.report.objectRoot = (once.get('call_sealed')?.root ?? '') as string;
    const logged = this.history.streams();
    const stated = new Map(streams.map(({ stream, end }) => [stream, end]));
    const whole: Range[] = [];
    for (const [stream, end] of logged) {
      if (row && !stated.has(stream)) this.found('stream_left_out', String(stream));
      if (live || end > 0) whole.push([stream, 0, live ? SEGMENTS : end]);
    }
    for (const [stream, end] of stated) {
      if (live && !logged.has(stream)) whole.push([stream, 0, SEGMENTS]);
      if (!live && end !== (logged.get(stream) ?? 0)) this.found('stream_end', String(stream));
    }
    return leavesOf(whole);
  }

  private epochs(): void {
    const { mirrors, epoch } = this.statement;
    for (const one of this.history.intentions) if (one.epoch > epoch) this.found('epoch_back', one.order);
    const good = mirrors.filter((mirror) => mirror.state === 'good');
    if (mirrors.length === 0) this.found('no_mirror');
    else if (good.length === 0) this.found('no_good_mirror');
    for (const mirror of good) if (mirror.epoch !== epoch) this.found('mirror_epoch', String(mirror.epoch));
  }

  private orders(whole: Leaves, carriedOut: boolean): Leaves {
    const wanted = this.history.intentions.filter((one) => one.confirmed || !carriedOut);
    return both(joined(wanted.flatMap((one) => one.leaves)), whole);
  }

  private erasedRanges(whole: Leaves): void {
    const lines = this.history.intentions.flatMap((one) =>
      rangesOf(both(one.leaves, whole)).map((range) => ({ range, one })),
    );
    lines.sort((a, b) => a.range[0] - b.range[0] || a.range[1] - b.range[1] || a.one.index - b.one.index);
    this.report.erased = lines.map(({ range, one }) => ({
      range, order: one.order, reason: one.reason, source: one.source, orderedAt: one.at, erasedAt: one.erasedAt,
      confirmed: this.history.everywhere(one),
    }));
  }

  // Keeper and log name the same ranges.
  private words(whole: Leaves, ordered: Leaves, erased: Leaves): void {
    const said = this.statement;
    if (!said.row) return;
    const closed = both(leavesOf([...said.erased, ...said.ordered]), whole);
    this.foundLeaves('order_left_out', minus(closed, ordered));
    this.foundLeaves('order_unknown', minus(ordered, closed));
    this.foundLeaves('erased_left_out', minus(both(leavesOf(said.erased), whole), erased));
  }

  // What remains is the exact complement of what was ordered or lost.
  private nodes(whole: Leaves, ordered: Leaves, erased: Leaves): void {
    const said = this.statement;
    const opened = joined(
      said.nodes.map(({ level, index }) => [index * 2 ** (LEVELS - level), (index + 1) * 2 ** (LEVELS - level)]),
    );
    const audio = both(opened, AUDIO);
    this.report.callDataOpen = minus(opened, AUDIO).length > 0;
    const explained = this.history.wholeGone || this.history.over;
    if (said.row && !this.report.callDataOpen && !explained) this.found('call_data_gone');
    this.foundLeaves('key_there', both(audio, erased));
    const lost = both(this.history.lost, whole);
    const unexplained = minus(minus(whole, audio), either(ordered, lost));
    const held = joined([...this.history.held.values()].flat());
    if (both(unexplained, held).length > 0) this.report.notes.push('held_gone');
    this.foundLeaves('key_gone', minus(unexplained, held));
    if (!said.live) this.foundLeaves('key_beyond_end', minus(audio, whole));
    const kept = both(whole, audio);
    const heard = leavesOf(said.streams.filter((one) => one.heard > 0).map((one) => [one.stream, 0, one.heard]));
    const closed = leavesOf([...said.ordered, ...said.held]);
    this.report.kept = rangesOf(kept);
    this.report.opens = rangesOf(minus(both(kept, heard), closed));
    this.report.lost = rangesOf(lost);
  }

  private remarks(): void {
    const { notes, erased } = this.report;
    const said = this.statement;
    if (erased.some((line) => line.erasedAt === 0)) notes.push('ordered');
    if (erased.some((line) => line.erasedAt !== 0 && !line.confirmed)) notes.push('unconfirmed');
    if (said.mirrors.some((mirror) => mirror.state !== 'good' || !mirror.confirmed)) notes.push('mirror');
    if (said.held.length > 0) notes.push('held');
    if (said.live) notes.push('live');
    if (this.history.wholeGone) notes.push('whole');
    if (!said.row) notes.push('no_row');
    if (this.history.over) notes.push('retention');
  }
}

// Throws a Refused for what cannot be read at all. No findings: the proof holds.
export const checkProof = (proof: Proof, key: VerifierKey): Promise<Report> =>
  new Check(proof, readStatement(proof.statement)).run(key);
