// Proofs of erasure, read from docs/formats/proof.md: a part of check.mjs. Sets of segments are a byte a segment:
// slow, and nothing in them to get wrong.
import { canonical, endLeaf, firstLeaf, INDEX_BITS, keyOf, leafHash, LEVELS, openNote, refuse, Refused, rootOf, sha256, signedBy, strict64 } from './parts.mjs';

const SEGMENTS = 2 ** INDEX_BITS;
const isCount = (value, most = Number.MAX_SAFE_INTEGER) => Number.isInteger(value) && value >= 0 && value <= most;
function jsonOf(text, versionField, names) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    refuse('malformed');
  }
  if (!isCount(value?.[versionField]) || value[versionField] < 1) refuse('malformed');
  if (value[versionField] > 1) refuse('unsupported');
  if (Object.keys(value).sort().join() !== names) refuse('malformed');
  return value;
}
const isRange = (one) => Array.isArray(one) && one.length === 3 && isCount(one[0], 14) && isCount(one[1], SEGMENTS - 1) && isCount(one[2], SEGMENTS) && one[1] < one[2];
function readStatement(text) {
  const said = jsonOf(text, 'v', 'at,call,epoch,erased,held,live,mirrors,nodes,ordered,row,streams,v');
  let behind = 0;
  const isNode = (one) => {
    if (!Array.isArray(one) || one.length !== 2 || !isCount(one[0], LEVELS) || !isCount(one[1], 2 ** one[0] - 1)) return false;
    const node = { level: one[0], index: one[1] }, fits = firstLeaf(node, LEVELS) >= behind;
    behind = endLeaf(node, LEVELS);
    return fits;
  };
  const isMirror = (one) => Object.keys(one).sort().join() === 'assurance,confirmed,epoch,state' && ['good', 'left_out', 'retired'].includes(one.state) &&
    typeof one.confirmed === 'boolean' && isCount(one.epoch) && typeof one.assurance === 'string';
  const isStream = (one) => Array.isArray(one) && one.length === 3 && isCount(one[0], 14) && isCount(one[1], SEGMENTS) && isCount(one[2], SEGMENTS);
  const whole = /^[0-9a-f]{32}$/.test(said.call) && isCount(said.at) && isCount(said.epoch) && typeof said.row === 'boolean' && typeof said.live === 'boolean' &&
    said.mirrors.every(isMirror) && said.streams.every(isStream) && said.nodes.every(isNode) && [...said.erased, ...said.ordered, ...said.held].every(isRange);
  return whole && canonical(said) === text ? said : refuse('malformed');
}
function parseProof(text) {
  const proof = jsonOf(text, 'callward_erasure_proof', 'callward_erasure_proof,checkpoint,entries,statement,verifier_key');
  proof.entries.forEach((one, i) => {
    if (!isCount(one.index) || (i > 0 && one.index <= proof.entries[i - 1].index)) refuse('malformed');
    one.path = one.path.map(strict64);
    if (one.path.some((hash) => hash.length !== 32)) refuse('malformed');
  });
  return { proof, said: readStatement(proof.statement) };
}
// A set of segments: for each stream a byte a segment, up to the last one that anything here names.
class Segments {
  constructor(width, ranges = []) {
    this.width = width;
    this.streams = Array.from({ length: 16 }, () => new Uint8Array(width));
    for (const [stream, first, end] of ranges) this.streams[stream].fill(1, first, end);
  }
  with(other, rule) {
    const out = new Segments(this.width);
    this.streams.forEach((row, s) => { for (let i = 0; i < this.width; ++i) out.streams[s][i] = +rule(row[i], other.streams[s][i]); });
    return out;
  }
  minus(other) { return this.with(other, (a, b) => a && !b); }
  and(other) { return this.with(other, (a, b) => a && b); }
  or(other) { return this.with(other, (a, b) => a || b); }
  any() { return this.streams.some((row) => row.includes(1)); }
  ranges() {
    const out = [];
    this.streams.forEach((row, stream) => {
      for (let first = row.indexOf(1); first >= 0; ) {
        const stop = row.indexOf(0, first), end = stop < 0 ? this.width : stop;
        out.push([stream, first, end]);
        first = row.indexOf(1, end);
      }
    });
    return out;
  }
}
// What a proof's entry must be: canonical, of version 1, with the fields that this reader needs.
const ENTRY_FIELDS = {
  call_started: 'direction,row,source,started_at,streams', call_ended: 'cause,ended_at,ends', call_sealed: 'bytes,leaves,root', keeper_adopted: 'first,lost',
  erase_intended: 'epoch,order,ranges,reason,source', erased: 'epoch,orders', erase_unconfirmed: 'epoch,orders,unconfirmed_mirrors',
  mirror_retired: 'epoch,mirror,reason_hash', mirror_returned: 'epoch,mirror',
  retention_intended: 'calls,class,days,epoch,order,rows',
  order_held: 'order,ranges,reason,source', held_decided: 'decision,order,ranges,reason,reason_hash,whole', key_statement: 'hash',
};
const MAY_HAVE = { erased: 'retired', order_held: 'whole' };
function entryOf(text) {
  const entry = JSON.parse(text);
  const fields = Object.keys(entry.data ?? {}).filter((name) => name !== MAY_HAVE[entry.type]);
  return canonical(entry) === text && entry.v === 1 && fields.sort().join() === ENTRY_FIELDS[entry.type] ? entry : null;
}
const ofManyCalls = (type) => ['erased', 'erase_unconfirmed', 'mirror_retired', 'mirror_returned'].includes(type);
function openedLog({ proof, said }, logKey, tell) {
  const log = keyOf(logKey);
  let note;
  try {
    note = openNote(proof.checkpoint);
  } catch {
    return tell('checkpoint');
  }
  const [origin, size, root] = note.body.split('\n');
  if (!signedBy(note, log) || origin !== log.name) return tell('checkpoint');
  const entries = [];
  let row = NaN; // the call's, by its call_started
  for (const { index, entry: text, path } of proof.entries) {
    let there = false;
    try {
      there = index < size && rootOf(leafHash(Buffer.from(text)), index, Number(size), path).toString('base64') === root;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
    }
    const entry = there ? entryOf(text) : null;
    if (!there) tell('entry_not_in_log');
    else if (!entry) tell('entry_unreadable');
    else if (entry.type === 'retention_intended' ? !entry.data.rows.some(([first, end]) => first <= row && row < end) : !ofManyCalls(entry.type) && entry.subject !== said.call) tell('entry_of_another');
    else {
      if (entry.type === 'call_started') row = entry.data.row;
      entries.push({ index, ...entry });
    }
  }
  const hash = sha256(Buffer.from(proof.statement)).toString('hex'), statements = entries.filter((one) => one.type === 'key_statement');
  const own = statements.findLast((one) => one.data.hash === hash);
  if (!own) return tell(statements.length ? 'another_statement' : 'no_statement');
  if (entries.some((one) => one.index > own.index)) tell('entry_later');
  return { size: Number(size), entries: entries.filter((one) => one.index < own.index) };
}
function historyOf(entries, tell) {
  const story = { intended: [], held: {}, lost: [], once: {}, wholeOrders: [], wholeGone: false };
  const good = (ranges) => ranges.filter((one) => isRange(one) || tell('bad_range'));
  for (const { type, actor, at, data } of entries) {
    if (type === 'mirror_returned') for (const one of story.intended) one.left_out = one.left_out.filter((mirror) => mirror !== data.mirror);
    if (type === 'erase_intended') story.intended.push({ ...data, ranges: good(data.ranges), ordered_at: at, erased_at: 0, confirmed: false, of: 0, left_out: [] });
    if (type === 'retention_intended') {
      const all = Array.from({ length: 15 }, (_, stream) => [stream, 0, SEGMENTS]);
      story.intended.push({ ...data, reason: 'retention', source: actor, ranges: all, ordered_at: at, erased_at: 0, confirmed: false, of: 0, left_out: [] });
      story.over = true;
    }
    if (type === 'erased' || type === 'erase_unconfirmed')
      for (const one of story.intended.filter((each) => data.orders.includes(each.order) && !each.confirmed && (type === 'erased' || each.erased_at === 0)))
        Object.assign(one, { erased_at: at, confirmed: type === 'erased', of: data.epoch, left_out: (data.retired ?? []).map(([mirror]) => mirror) });
    if (type === 'order_held') (story.held[data.order] ??= []).push(...good(data.ranges));
    if (type === 'order_held' && 'whole' in data) story.wholeOrders.push(data.order);
    if (type === 'held_decided') {
      delete story.held[data.order];
      story.wholeGone ||= data.decision === 'erase' && story.wholeOrders.includes(data.order);
    }
    if (type === 'keeper_adopted') story.lost.push(...good(data.lost));
    if (type.startsWith('call_')) {
      if (type in story.once && canonical(story.once[type]) !== canonical(data)) tell('entries_differ');
      story.once[type] = data;
    }
  }
  return story;
}
function streamsOf(said, { call_started: began, call_ended: ended }, tell) {
  const ends = new Map();
  for (let stream = 0; stream < 15; ++stream) if (began?.streams >> stream & 1) ends.set(stream, 0);
  for (const [stream, , end] of ended?.ends ?? []) ends.set(stream, end);
  if (!began) tell('not_begun');
  if (ended ? said.live : !said.live && said.row) tell('end_contradicts');
  const stated = new Map(said.streams.map(([stream, end]) => [stream, end]));
  for (const stream of ends.keys()) if (said.row && !stated.has(stream)) tell('stream_left_out');
  for (const [stream, end] of stated) {
    if (!said.live && end !== (ends.get(stream) ?? 0)) tell('stream_end');
    if (said.live && !ends.has(stream)) ends.set(stream, 0);
  }
  return [...ends].map(([stream, end]) => [stream, 0, said.live ? SEGMENTS : end]);
}
function epochsOf(said, story, tell) {
  if (story.intended.some((one) => one.of > said.epoch)) tell('epoch_back');
  const good = said.mirrors.filter((one) => one.state === 'good');
  if (good.length === 0) tell(said.mirrors.length ? 'no_good_mirror' : 'no_mirror');
  if (good.some((one) => one.epoch !== said.epoch)) tell('mirror_epoch');
}
function openedBy(nodes, width) {
  const out = new Segments(width);
  for (const [level, index] of nodes)
    for (let leaf = index * 2 ** (LEVELS - level), end = (index + 1) * 2 ** (LEVELS - level); leaf < end; ) {
      const stream = Math.floor(leaf / SEGMENTS), stop = Math.min(end, (stream + 1) * SEGMENTS);
      out.streams[stream].fill(1, leaf - stream * SEGMENTS, stop - stream * SEGMENTS);
      leaf = stop;
    }
  return out;
}
function judged(said, story, whole, tell) {
  const width = said.live ? SEGMENTS : 1024, set = (ranges) => new Segments(width, ranges); // no call of the file is longer
  const call = set(whole), orders = set(story.intended.flatMap((one) => one.ranges)).and(call);
  const gone = set(story.intended.filter((one) => one.confirmed).flatMap((one) => one.ranges)).and(call);
  const tellIf = (kind, segments) => segments.any() && tell(kind);
  if (said.row) {
    const closed = set([...said.erased, ...said.ordered]).and(call);
    tellIf('order_left_out', closed.minus(orders));
    tellIf('order_unknown', orders.minus(closed));
    tellIf('erased_left_out', set(said.erased).and(call).minus(gone));
  }
  const audio = openedBy(said.nodes, width);
  if (said.row && !story.wholeGone && !story.over && !audio.streams[15].includes(1)) tell('call_data_gone');
  audio.streams[15].fill(0);
  tellIf('key_there', audio.and(gone));
  const lost = set(story.lost).and(call), held = set(Object.values(story.held).flat());
  const dark = call.minus(audio).minus(orders.or(lost)), notes = [];
  if (dark.and(held).any()) notes.push('held_gone');
  if (story.over) notes.push('retention');
  tellIf('key_gone', dark.minus(held));
  if (!said.live) tellIf('key_beyond_end', audio.minus(call));
  const kept = call.and(audio), heard = set(said.streams.map(([stream, , upTo]) => [stream, 0, upTo]));
  const erased = story.intended.flatMap(({ order, reason, source, ordered_at, erased_at, confirmed, ranges, left_out }) =>
    set(ranges).and(call).ranges().map((range) => ({ range, order, reason, source, ordered_at, erased_at, confirmed: confirmed && left_out.length === 0 })));
  if (story.wholeGone) notes.push('whole');
  return { notes, erased, kept: kept.ranges(), opens: kept.and(heard).minus(set([...said.ordered, ...said.held])).ranges(), lost: lost.ranges() };
}
function notesOf(said, erased) {
  const when = { ordered: erased.some((one) => !one.erased_at), unconfirmed: erased.some((one) => one.erased_at && !one.confirmed), live: said.live,
    mirror: said.mirrors.some((one) => one.state !== 'good' || !one.confirmed), held: said.held.length > 0, no_row: !said.row };
  return Object.keys(when).filter((name) => when[name]);
}
export function readErasureProof(item, logKey) {
  const parsed = parseProof(item.proof), { said } = parsed, found = new Set(), tell = (kind) => { found.add(kind); };
  const log = openedLog(parsed, logKey, tell);
  let result;
  if (log) {
    const story = historyOf(log.entries, tell);
    epochsOf(said, story, tell);
    result = judged(said, story, streamsOf(said, story.once, tell), tell);
    result.notes.push(...notesOf(said, result.erased));
  }
  if (canonical([...found].sort()) !== canonical(item.findings)) return false;
  if (found.size > 0) refuse('corrupt');
  const byPlace = (a, b) => a.range[0] - b.range[0] || a.range[1] - b.range[1];
  return canonical([result.notes.sort(), result.erased.sort(byPlace), result.kept, result.opens, result.lost, log.size]) ===
    canonical([item.notes, item.erased, item.kept, item.opens, item.lost, item.size]);
}
