// Who is in the role chart, for stories that are about something else: drafted, signed by passkeys in the page, enrolled.
import { api, enrol, signIn, type Company, type Person } from './people';

export interface Member {
  roles: string[];
  answersTo?: string; // a name; default: the owner
  extension?: string;
}
interface Draft {
  draft: string;
  challenge: string;
  takes_two: boolean;
}
export const ids = new Map<string, string>(); // by name

// As the page's own script asks the authenticator.
async function signed(who: Person, challenge: string): Promise<unknown> {
  await who.page.bringToFront();
  return who.page.evaluate(
    async ([person, hex]) => {
      const text = (raw: ArrayBuffer): string => [...new Uint8Array(raw)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
      const bytes = Uint8Array.from(hex!.match(/../g)!, (two) => parseInt(two, 16));
      const said = (await navigator.credentials.get({
        publicKey: { challenge: bytes, rpId: location.hostname, userVerification: 'required' },
      })) as PublicKeyCredential;
      const response = said.response as AuthenticatorAssertionResponse;
      return {
        person,
        passkey: text(said.rawId),
        client_data: new TextDecoder().decode(response.clientDataJSON),
        authenticator_data: text(response.authenticatorData),
        signature: text(response.signature),
      };
    },
    [ids.get(who.name)!, challenge],
  );
}
async function good<T>(answer: Promise<{ status: number; json: T }>): Promise<T> {
  const { status, json } = await answer;
  if (status >= 300) throw new Error(`${status}: ${JSON.stringify(json)}`);
  return json;
}
async function change(by: Person[], body: object): Promise<{ link: string }> {
  const draft = await good(api<Draft>(by[0]!, 'POST', '/v1/chart/drafts', body));
  let done = { link: '' };
  for (const one of by.slice(0, draft.takes_two ? 2 : 1))
    done = await good(api<{ link: string }>(one, 'POST', `/v1/chart/drafts/${draft.draft}/signature`, { signature: await signed(one, draft.challenge) }));
  return done;
}

// Roles that take two are given once the person has a passkey; the second one signs then.
export async function join(all: Company, owner: Person, second: Person | null, name: string, member: Member): Promise<Person> {
  if (!ids.has(owner.name)) ids.set(owner.name, (await api<{ person: string }>(owner, 'GET', '/v1/session')).json.person);
  const { person } = await good(api<{ person: string }>(owner, 'POST', '/v1/people', { name, roles: [] }));
  ids.set(name, person);
  const takesTwo = member.roles.some((role) => ['expert', 'authorised', 'owner'].includes(role));
  const body = { kind: 'person', person, answers_to: ids.get(member.answersTo ?? owner.name)!, extension: member.extension ?? '' };
  await change([owner], { ...body, roles: takesTwo ? ['auditor'] : member.roles });
  const { link } = await change([owner], { kind: 'invited', person });
  const made = await all.person(name);
  await enrol(made, link);
  if (takesTwo) await change([owner, second!], { ...body, roles: member.roles });
  await signIn(made);
  return made;
}
