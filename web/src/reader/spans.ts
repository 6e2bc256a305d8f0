// Sets of leaves of a call's key tree: leaf = stream << 20 | segment. A set is a list of disjoint stretches
// [first, end), ascending; every operation is one walk along both sets' edges.
import { INDEX_BITS } from './tree';

export type Range = [stream: number, first: number, end: number];
export type Leaves = [first: number, end: number][];

const STREAM_LEAVES = 2 ** INDEX_BITS;

type Rule = (inA: boolean, inB: boolean) => boolean;
function walk(a: Leaves, b: Leaves, wanted: Rule): Leaves {
  const edges = [...new Set([...a.flat(), ...b.flat()])].sort((x, y) => x - y);
  const out: Leaves = [];
  let [i, j] = [0, 0];
  for (let k = 0; k + 1 < edges.length; ++k) {
    const [first, end] = [edges[k]!, edges[k + 1]!];
    while (i < a.length && a[i]![1] <= first) i += 1;
    while (j < b.length && b[j]![1] <= first) j += 1;
    if (!wanted(i < a.length && a[i]![0] <= first, j < b.length && b[j]![0] <= first)) continue;
    const last = out.at(-1);
    if (last?.[1] === first) last[1] = end;
    else out.push([first, end]);
  }
  return out;
}
export const minus = (a: Leaves, b: Leaves): Leaves => walk(a, b, (inA, inB) => inA && !inB);
export const both = (a: Leaves, b: Leaves): Leaves => walk(a, b, (inA, inB) => inA && inB);
export const either = (a: Leaves, b: Leaves): Leaves => walk(a, b, (inA, inB) => inA || inB);

export function joined(stretches: Leaves): Leaves {
  const out: Leaves = [];
  for (const [first, end] of [...stretches].sort((x, y) => x[0] - y[0])) {
    const last = out.at(-1);
    if (last && first <= last[1]) last[1] = Math.max(last[1], end);
    else out.push([first, end]);
  }
  return out;
}
export const leavesOf = (ranges: Range[]): Leaves =>
  joined(ranges.map(([stream, first, end]) => [stream * STREAM_LEAVES + first, stream * STREAM_LEAVES + end]));

// Cut at the streams' borders.
export function rangesOf(leaves: Leaves): Range[] {
  const out: Range[] = [];
  for (const [from, end] of leaves)
    for (let first = from; first < end; ) {
      const stream = Math.floor(first / STREAM_LEAVES);
      const stop = Math.min(end, (stream + 1) * STREAM_LEAVES);
      out.push([stream, first - stream * STREAM_LEAVES, stop - stream * STREAM_LEAVES]);
      first = stop;
    }
  return out;
}
