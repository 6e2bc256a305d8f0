// A change of the role chart: drafted by the server, signed here; in the chart at once, or waiting for a second person.
import { ask, client, type Draft, type DraftRequest } from '../../api/client';
import { signAs, signWith } from '../session/passkeys';
import { fromHex } from '../../reader/bytes';

export interface Changed {
  waits: Draft | null;
  link: string; // of an invitation, told once
}

async function put(draft: Draft, person: string, not = ''): Promise<Changed> {
  const path = { params: { path: { id: draft.draft } } };
  const signature = not === '' ? await signAs(person, draft.challenge!) : await signWithout(person, draft.challenge!, not);
  const answer = await ask(client.POST('/v1/chart/drafts/{id}/signature', { ...path, body: { signature } }));
  return 'draft' in answer ? { waits: answer, link: '' } : { waits: null, link: answer.link };
}
// A passkey does not sign its own removal.
async function signWithout(person: string, challenge: string, not: string): ReturnType<typeof signAs> {
  const { keys } = await ask(client.GET('/v1/people/{id}', { params: { path: { id: person } } }));
  return signWith(location.hostname, person, fromHex(challenge), keys.map((key) => key.id).filter((id) => id !== not));
}

export const draftOf = (body: DraftRequest): Promise<Draft> => ask(client.POST('/v1/chart/drafts', { body }));

// A draft that is not signed after all is taken back, so that nothing half done lies about.
export async function change(me: string, body: DraftRequest, not = ''): Promise<Changed> {
  const draft = await draftOf(body);
  try {
    return await put(draft, me, not);
  } catch (error) {
    await withdraw(draft.draft).catch(() => {});
    throw error;
  }
}
export const signDraft = (me: string, draft: Draft): Promise<Changed> => put(draft, me);
export async function withdraw(id: string): Promise<void> {
  await ask(client.DELETE('/v1/chart/drafts/{id}', { params: { path: { id } } }));
}
