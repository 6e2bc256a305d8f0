// A change of the role chart: drafted by the server, read and signed here; in the chart at once, or waiting for a second
// person.
import { ask, client, Problem, type Draft, type DraftRequest } from '../../api/client';
import { t } from '../../messages';
import type { Bytes } from '../../reader/bytes';
import { challengeOf, isAsked, type Change } from '../../vault/chart_change';
import { makeInvitation } from '../../vault/invitation';
import { signAs, signWith } from '../session/passkeys';

export interface Changed {
  waits: Draft | null;
}

async function put(draft: Draft, person: string, not = ''): Promise<Changed> {
  const path = { params: { path: { id: draft.draft } } };
  const challenge = await challengeOf(draft.change as Change);
  const signature = not === '' ? await signAs(person, challenge) : await signWithout(person, challenge, not);
  const answer = await ask(client.POST('/v1/chart/drafts/{id}/signature', { ...path, body: { signature } }));
  return { waits: 'draft' in answer ? answer : null };
}
// A passkey does not sign its own removal.
async function signWithout(person: string, challenge: Bytes, not: string): ReturnType<typeof signAs> {
  const { keys } = await ask(client.GET('/v1/people/{id}', { params: { path: { id: person } } }));
  return signWith(location.hostname, person, challenge, keys.map((key) => key.id).filter((id) => id !== not));
}

// `print`: of the passkey that was compared by voice, where one is given anew. What is not what was asked for is nobody's
// to sign.
export async function draftOf(body: DraftRequest, print = ''): Promise<Draft> {
  const draft = await ask(client.POST('/v1/chart/drafts', { body }));
  if (await isAsked(draft.change as Change, body, print)) return draft;
  await withdraw(draft.draft).catch(() => {});
  throw new Problem(-1, 'draft', t.drafts.another);
}

// A draft that is not signed after all is taken back, so that nothing half done lies about.
export async function change(me: string, body: DraftRequest, { not = '', print = '' } = {}): Promise<Changed> {
  const draft = await draftOf(body, print);
  try {
    return await put(draft, me, not);
  } catch (error) {
    await withdraw(draft.draft).catch(() => {});
    throw error;
  }
}
// The link's secret is made here, and stands nowhere but in the link.
export async function invite(me: string, person: string): Promise<string> {
  const { link, invite, opens } = await makeInvitation();
  await change(me, { kind: 'invited', person, invite, link: opens });
  return `${location.origin}/enrol#${link}`;
}
export const signDraft = (me: string, draft: Draft): Promise<Changed> => put(draft, me);
export async function withdraw(id: string): Promise<void> {
  await ask(client.DELETE('/v1/chart/drafts/{id}', { params: { path: { id } } }));
}
