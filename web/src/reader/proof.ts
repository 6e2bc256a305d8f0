// A proof of erasure, as a file (docs/formats/proof.md): what stands in it, held to its form. proof_check.ts says
// whether it is true.
import { refuse, type Bytes } from './bytes';
import { canonical, isObject } from './log';
import { HASH_BYTES, strictBase64, utf8 } from './note';
import type { Range } from './spans';
import { INDEX_BITS, LEVELS } from './tree';

const PROOF_BYTES_MAX = 64 * 2 ** 20;
const STATEMENT_BYTES_MAX = 4 * 2 ** 20;
const ENTRIES_MAX = 100_000;
export const CALL_DATA_STREAM = 15;
export const SEGMENTS = 2 ** INDEX_BITS;

export interface Proof {
  statement: string;
  entries: { index: number; entry: string; path: Bytes[] }[];
  checkpoint: string;
  verifierKey: string;
}
export interface Mirror {
  state: 'good' | 'left_out' | 'retired';
  confirmed: boolean;
  epoch: number;
  assurance: string;
}
export interface Statement {
  call: string;
  at: number;
  epoch: number;
  row: boolean;
  live: boolean;
  mirrors: Mirror[];
  streams: { stream: number; end: number; heard: number }[];
  nodes: { level: number; index: number }[];
  erased: Range[];
  ordered: Range[];
  held: Range[];
}

const isNumber = (value: unknown, most = Number.MAX_SAFE_INTEGER): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most;

// Exactly these fields: what a reader does not understand may change what the rest means.
type Kinds = Record<string, 'number' | 'text' | 'flag' | 'list'>;
const KIND: Record<Kinds[string], (value: unknown) => boolean> = {
  number: (value) => isNumber(value),
  text: (value) => typeof value === 'string',
  flag: (value) => typeof value === 'boolean',
  list: Array.isArray,
};
function fields<T>(value: unknown, kinds: Kinds, at: string): T {
  if (!isObject(value) || Object.keys(value).length !== Object.keys(kinds).length) return refuse('malformed', at);
  for (const [name, kind] of Object.entries(kinds)) if (!KIND[kind](value[name])) refuse('malformed', at);
  return value as T;
}
function parse(text: string, most: number, version: string, at: string): unknown {
  if (utf8(text).length > most) refuse('too_large', at);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    refuse('malformed', at);
  }
  const said = isObject(value) ? value[version] : refuse('malformed', at);
  if (!isNumber(said) || said < 1) refuse('malformed', at);
  if ((said as number) > 1) refuse('unsupported', at);
  return value;
}

export function readProof(text: string): Proof {
  const raw = fields<{ statement: string; entries: unknown[]; checkpoint: string; verifier_key: string }>(
    parse(text, PROOF_BYTES_MAX, 'callward_erasure_proof', 'proof'),
    { callward_erasure_proof: 'number', statement: 'text', entries: 'list', checkpoint: 'text', verifier_key: 'text' },
    'proof',
  );
  if (raw.entries.length > ENTRIES_MAX) refuse('too_large', 'proof');
  let before = -1;
  const entries = raw.entries.map((item) => {
    const kinds: Kinds = { index: 'number', entry: 'text', path: 'list' };
    const one = fields<{ index: number; entry: string; path: unknown[] }>(item, kinds, 'entry');
    if (one.index <= before) refuse('malformed', 'entry');
    before = one.index;
    const path = one.path.map((hash) => strictBase64(typeof hash === 'string' ? hash : refuse('malformed', 'path')));
    if (path.some((hash) => hash.length !== HASH_BYTES)) refuse('malformed', 'path');
    return { index: one.index, entry: one.entry, path };
  });
  return { statement: raw.statement, entries, checkpoint: raw.checkpoint, verifierKey: raw.verifier_key };
}

function tuple(item: unknown, ...most: number[]): number[] {
  if (!Array.isArray(item) || item.length !== most.length) return refuse('malformed', 'statement');
  return item.map((value, i) => (isNumber(value, most[i]) ? value : refuse('malformed', 'statement')));
}
function readRanges(list: unknown[]): Range[] {
  return list.map((item) => {
    const [stream, first, end] = tuple(item, CALL_DATA_STREAM - 1, SEGMENTS - 1, SEGMENTS);
    return first! < end! ? [stream!, first!, end!] : refuse('malformed', 'range');
  });
}
function readNodes(list: unknown[]): Statement['nodes'] {
  let behind = 0;
  return list.map((item) => {
    const [level, index] = tuple(item, LEVELS, 2 ** LEVELS - 1);
    const width = 2 ** (LEVELS - level!);
    if (index! >= 2 ** level! || index! * width < behind) refuse('malformed', 'nodes');
    behind = (index! + 1) * width;
    return { level: level!, index: index! };
  });
}
function readMirror(item: unknown): Mirror {
  const kinds: Kinds = { state: 'text', confirmed: 'flag', epoch: 'number', assurance: 'text' };
  const mirror = fields<Mirror>(item, kinds, 'mirror');
  return ['good', 'left_out', 'retired'].includes(mirror.state) ? mirror : refuse('malformed', 'mirror');
}

export function readStatement(text: string): Statement {
  type Lists = 'mirrors' | 'streams' | 'nodes' | 'erased' | 'ordered' | 'held';
  const raw = fields<Omit<Statement, Lists> & Record<Lists, unknown[]>>(
    parse(text, STATEMENT_BYTES_MAX, 'v', 'statement'),
    {
      v: 'number', call: 'text', at: 'number', epoch: 'number', row: 'flag', live: 'flag', mirrors: 'list',
      streams: 'list', nodes: 'list', erased: 'list', ordered: 'list', held: 'list',
    },
    'statement',
  );
  if (!/^[0-9a-f]{32}$/.test(raw.call)) refuse('malformed', 'call');
  const { call, at, epoch, row, live } = raw;
  const statement: Statement = {
    call, at, epoch, row, live,
    mirrors: raw.mirrors.map(readMirror),
    streams: raw.streams.map((item) => {
      const [stream, end, heard] = tuple(item, CALL_DATA_STREAM - 1, SEGMENTS, SEGMENTS);
      return { stream: stream!, end: end!, heard: heard! };
    }),
    nodes: readNodes(raw.nodes),
    erased: readRanges(raw.erased),
    ordered: readRanges(raw.ordered),
    held: readRanges(raw.held),
  };
  if (canonical(raw) !== text) refuse('malformed', 'canonical');
  return statement;
}
