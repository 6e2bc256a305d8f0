// What people do with customers and requests, as their browser does it: seal, sign, put, open. Nothing typed and nothing
// opened stays in here. docs/integrators.md says the same in words.
import { ask, client, Problem } from '../api/client';
import type { components } from '../api/schema';
import { toBase64, toHex, type Bytes } from '../reader/bytes';
import { v } from '../words/vault';
import { IntakeSealer, sealBytes, sealText, say, type IntakeKey, type Purpose, type SealedValue } from './intake';
import { signAs } from '../features/session/passkeys';
import { pageKey } from '../features/session/page_key.svelte';
import { me } from './own';
import { hashOf } from './signed_hash';
import { isAskedStep, type Step } from './step';
import { aadOfQuery, aadOfView, aadOfWords, type SealedAnswer } from './reader_key';

export type Stored = components['schemas']['Stored'];
export type Checked = components['schemas']['Checked'];
export type Draft = components['schemas']['StepDraft'];
export type Found = { customer: string; open_cases: number[] };

// ---- the keeper's key ---------------------------------------------------------------------------

let intake: { key: IntakeKey; until: number } | null = null;
async function keyOfKeeper(): Promise<IntakeKey> {
  if (intake === null || Date.now() >= intake.until) {
    const given = await ask(client.GET('/v1/intake-key'));
    intake = { key: { key: given.key, publicKey: given.public_key }, until: Date.now() + given.seconds * 500 };
  }
  return intake.key;
}
const isOldKey = (error: unknown): boolean =>
  error instanceof Problem && error.status === 409 && error.detail.includes('not taken any more');
// A key that is not taken any more is asked for anew, once.
async function withKey<T>(send: (key: IntakeKey) => Promise<T>): Promise<T> {
  const fresh = intake === null;
  try {
    return await send(await keyOfKeeper());
  } catch (error) {
    if (!isOldKey(error)) throw error;
    intake = null;
    if (fresh) throw error;
    return send(await keyOfKeeper());
  }
}
const sealed = (key: IntakeKey, text: string, purpose: Purpose, about: string[]): Promise<SealedValue> =>
  sealText(key, text, purpose, about);

// ---- customers ----------------------------------------------------------------------------------

export const newIntake = (): string => toHex(crypto.getRandomValues(new Uint8Array(16)));

export const store = (
  id: string,
  values: { field: string; text: string }[],
  of: { customer: string; case: number } | null,
): Promise<Stored> =>
  withKey(async (key) => {
    const fields = [];
    const sealer = await IntakeSealer.to(key);
    for (const { field, text } of values) fields.push({ field, value: await sealer.text(text, 'field', [id, field]) });
    return ask(client.POST('/v1/intakes', { body: { intake: id, fields, ...(of ?? {}) } }));
  });

export const lookUp = (field: string, text: string): Promise<Found[]> =>
  withKey(async (key) => {
    const value = await sealed(key, text, 'find', [me(), field]);
    return (await ask(client.POST('/v1/lookups', { body: { field, value } }))).customers;
  });

// ---- steps --------------------------------------------------------------------------------------

type Put = { request: string; number: number; value?: SealedAnswer };

// Drafted as the keeper sees it now, signed by the passkey, put as it is.
async function put(draft: Draft, words: string): Promise<Put> {
  const said = words === '' ? null : await say(words);
  const { step } = await ask(
    client.POST('/v1/request-drafts', { body: said === null ? draft : { ...draft, words: toHex(said.hash) } }),
  );
  const json = JSON.parse(step) as Step;
  if (!isAskedStep(json, draft, me(), said === null ? '' : toHex(said.hash))) throw new Problem(-1, 'draft', v.another);
  const signature = JSON.stringify(await signAs(me(), await hashOf('CWS1 step', json)));
  // Sealed once only: sealing wipes what was said.
  const sealedWords =
    said === null ? {} : { words: await sealBytes(await keyOfKeeper(), said.plain, 'words', [json.request, String(json.number)]) };
  try {
    return await ask(client.POST('/v1/request-steps', { body: { step, signature, ...sealedWords } }));
  } catch (error) {
    if (isOldKey(error)) intake = null;
    throw error;
  }
}
export const act = (draft: Draft, words = ''): Promise<Put> => put(draft, words);

const textOf = (raw: Bytes): string => {
  const text = new TextDecoder().decode(raw);
  raw.fill(0);
  return text;
};

export async function viewField(request: string, leaf: number): Promise<string> {
  const key = await pageKey.get();
  const taken = await put({ request, kind: 'view', fields: [leaf], reader_key: toHex(key.publicKey) }, '');
  return textOf(await key.open(taken.value!, aadOfView(request, taken.number, leaf)));
}

export async function openWords(request: string, number: number): Promise<string> {
  const key = await pageKey.get();
  const answer = await ask(
    client.POST('/v1/requests/{id}/words/{number}/openings', {
      params: { path: { id: request, number } },
      body: { reader_key: toBase64(key.publicKey) },
    }),
  );
  return textOf(await key.open(answer, aadOfWords(request, number)));
}

export async function openQuery(customer: string, ofCase: number): Promise<string> {
  const key = await pageKey.get();
  const answer = await ask(
    client.POST('/v1/customers/{id}/cases/{case}/query-openings', {
      params: { path: { id: customer, case: ofCase } },
      body: { reader_key: toBase64(key.publicKey) },
    }),
  );
  return textOf(await key.open(answer, aadOfQuery(customer, ofCase, answer.leaf)));
}

// ---- verification -------------------------------------------------------------------------------

export const checkField = (request: string, leaf: number, text: string): Promise<Checked> =>
  withKey(async (key) => {
    const given = await sealed(key, text, 'check', [request, String(leaf)]);
    return ask(client.POST('/v1/requests/{id}/checks', { params: { path: { id: request } }, body: { leaf, given } }));
  });

export const checkCode = (request: string, text: string): Promise<Checked> =>
  withKey(async (key) => {
    const given = await sealed(key, text, 'code', [request]);
    return ask(client.POST('/v1/requests/{id}/code-checks', { params: { path: { id: request } }, body: { given } }));
  });

export const sendCode = (request: string, leaf: number): Promise<unknown> =>
  ask(client.POST('/v1/requests/{id}/codes', { params: { path: { id: request } }, body: { leaf } }));

// ---- words for what went wrong ------------------------------------------------------------------

export function whyNot(error: unknown): string {
  if (error instanceof Problem) {
    if (error.status === 409) return v.sign.moved(error.detail);
    if (error.status === 403 && error.detail.includes('draft it anew')) return v.sign.late;
    if (error.status === 410) return v.sign.gone;
    if (error.status === 429) return v.sign.busy(error.detail);
  }
  return error instanceof Error ? error.message : String(error);
}
