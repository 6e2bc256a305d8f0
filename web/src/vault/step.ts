// A step of a request, as this page reads it before anybody signs: it is the one that was asked for, by who is here, of
// this request, with these words. The server, which hands it on from the keeper, is not believed.
import type { components } from '../api/schema';
import type { Json } from '../reader/log';

type Draft = components['schemas']['StepDraft'];
export type Step = Record<string, Json> & { request: string; number: number };

const same = (a: Json | undefined, b: readonly number[]): boolean =>
  Array.isArray(a) && JSON.stringify(a) === JSON.stringify([...b].sort((x, y) => x - y));

// `words`: SHA-256(r || text), hexadecimal; nothing: none are said.
export function isAskedStep(step: Step, draft: Draft, by: string, words: string): boolean {
  const asks = draft.kind === 'ask';
  return (
    step.kind === draft.kind &&
    step.by === by &&
    (draft.request === undefined ? step.number === 1 : step.request === draft.request && step.number > 1) &&
    step.customer === (asks ? (draft.customer ?? '') : '') &&
    step.case === (asks ? (draft.case ?? 0) : 0) &&
    (step.category ?? '') === (asks ? (draft.category ?? '') : '') &&
    same(step.fields, draft.fields ?? []) &&
    step.window_ms === (draft.window_ms ?? 0) &&
    step.words === words &&
    step.reader_key === (draft.reader_key ?? '') &&
    step.needed === draft.needed &&
    step.used === draft.used
  );
}
