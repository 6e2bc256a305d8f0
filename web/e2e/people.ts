// People with browsers and passkeys of their own, for the stories that need a role chart. Each person is a browser
// context with a virtual authenticator (Chromium's, by the DevTools protocol): it answers by itself, as a person who
// touches it would. People's browsers refuse passkeys behind a certificate that they do not trust; this one is told the key
// of this server's certificate, and takes it for a good one.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type CDPSession, type Page } from 'playwright-core';
import { makeInvitation } from '../src/vault/invitation';
import { CHROMIUM, shots, VIEWPORT, watch, type Served } from './harness';

export interface Person {
  name: string;
  passphrase: string;
  context: BrowserContext;
  page: Page;
  cdp: CDPSession;
  authenticator: string;
  complaints: string[];
}

export interface Company {
  served: Served;
  browser: Browser;
  people: Map<string, Person>;
  person: (name: string) => Promise<Person>; // made when first named
  complaints: () => string[];
  picture: (story: string) => Promise<void>; // of everybody, where a story failed
  stop: () => Promise<void>;
}

export async function company(served: Served): Promise<Company> {
  mkdirSync(shots, { recursive: true });
  const browser = await chromium.launch({
    ...CHROMIUM,
    args: [...CHROMIUM.args, `--ignore-certificate-errors-spki-list=${served.certificate}`],
  });
  const people = new Map<string, Person>();
  return {
    served,
    browser,
    people,
    async person(name) {
      const known = people.get(name);
      if (known) return known;
      const context = await browser.newContext({ baseURL: served.url, viewport: VIEWPORT, acceptDownloads: true });
      context.setDefaultTimeout(10_000);
      const page = await context.newPage();
      const complaints: string[] = [];
      watch(page, complaints);
      const cdp = await context.newCDPSession(page);
      const made = { name, passphrase: `seven tall chimneys of ${[...name].reverse().join('')}`, context, page, cdp, authenticator: '', complaints };
      await newAuthenticator(made);
      people.set(name, made);
      return made;
    },
    complaints: () => [...people.values()].flatMap((one) => one.complaints.map((what) => `${one.name}: ${what}`)),
    async picture(story) {
      for (const { name, page } of people.values())
        await page.screenshot({ path: join(shots, `failed-${story.replace(/\W+/g, '-').slice(0, 40)}-${name}.png`), fullPage: true }).catch(() => {});
    },
    stop: () => browser.close(),
  };
}

// Another device in this person's hand; the one before is put away (removed, or kept aside).
export async function newAuthenticator(person: Person, keep = false): Promise<void> {
  await person.cdp.send('WebAuthn.enable');
  if (person.authenticator !== '' && !keep)
    await person.cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: person.authenticator });
  const { authenticatorId } = await person.cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: keep ? 'usb' : 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  person.authenticator = authenticatorId;
}

// A one-time link to its end: passphrase, passkey, signature. It ends at sign-in, or at the fingerprint of an offer.
export async function enrol(person: Person, link: string): Promise<void> {
  const { page, passphrase } = person;
  await page.goto('about:blank'); // else a link that differs behind # alone begins anew only in its own time
  await page.goto(link);
  await page.getByLabel('Passphrase', { exact: true }).fill(passphrase);
  await page.getByLabel('The same again').fill(passphrase);
  await page.locator('[data-strength=good]').waitFor();
  await page.getByRole('button', { name: 'Make the passkey' }).click();
  await page.getByText(/^That is done\.|^Offered\./).waitFor({ timeout: 20_000 });
}

// The owner founds the role chart with the link of `init`, and signs in.
export async function found(all: Company, name = 'olga'): Promise<Person> {
  const owner = await all.person(name);
  await enrol(owner, all.served.founding);
  await signIn(owner);
  return owner;
}

export async function signIn(person: Person, to = '/'): Promise<void> {
  const { page, name, passphrase } = person;
  await page.goto(to === '/' ? '/sign-in' : `/sign-in?to=${encodeURIComponent(to)}`);
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Passphrase').fill(passphrase);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.locator('header .me').waitFor({ timeout: 20_000 });
}

// Within the page, as a person goes: a page that is loaded anew has no key.
export async function visit(person: Person, address: string): Promise<Page> {
  const { page } = person;
  await page.bringToFront();
  await page.evaluate((to) => {
    history.pushState(null, '', to);
    dispatchEvent(new PopStateEvent('popstate'));
  }, address);
  return page;
}

// As a script of the page would: for what a story is not about.
export async function api<T>(person: Person, method: string, path: string, body?: unknown): Promise<{ status: number; json: T }> {
  return person.page.evaluate(
    async ([how, where, what]) => {
      const answer = await fetch(where!, {
        method: how!,
        headers: { 'Content-Type': 'application/json', 'X-Callward': '1' },
        ...(what === '' ? {} : { body: what! }),
      });
      const text = await answer.text();
      return { status: answer.status, json: (text === '' ? null : JSON.parse(text)) as never };
    },
    [method, path, body === undefined ? '' : JSON.stringify(body)],
  );
}

// ---- the role chart, by script: for stories that only need the people ----

export interface Listed {
  person: string;
  name: string;
  state: string;
  roles: string[];
}
export const idOf = async (by: Person, name: string): Promise<string> =>
  (await api<{ people: Listed[] }>(by, 'GET', '/v1/people')).json.people.find((one) => one.name === name)!.person;

interface Drafted {
  draft: string;
  challenge: string;
}
// `challenge` signed with this person's passkey, as the page does it.
async function signed(by: Person, person: string, challenge: string): Promise<unknown> {
  return by.page.evaluate(
    async ([who, what]) => {
      const hex = (raw: ArrayBuffer): string => [...new Uint8Array(raw)].map((b) => b.toString(16).padStart(2, '0')).join('');
      const bytes = Uint8Array.from(what!.match(/../g)!, (two) => parseInt(two, 16));
      const said = (await navigator.credentials.get({
        publicKey: { rpId: location.hostname, challenge: bytes, userVerification: 'required' },
      })) as PublicKeyCredential;
      const response = said.response as AuthenticatorAssertionResponse;
      return {
        person: who,
        passkey: hex(said.rawId),
        client_data: new TextDecoder().decode(response.clientDataJSON),
        authenticator_data: hex(response.authenticatorData),
        signature: hex(response.signature),
      };
    },
    [person, challenge],
  );
}
async function put(by: Person, drafted: Drafted): Promise<{ status: number; json: Drafted }> {
  const signature = await signed(by, await idOf(by, by.name), drafted.challenge);
  return api<Drafted>(by, 'POST', `/v1/chart/drafts/${drafted.draft}/signature`, { signature });
}
// A change: drafted and signed by one, and where it takes two by `second`.
export async function change(by: Person, body: Record<string, unknown>, second?: Person): Promise<Drafted> {
  const drafted = await api<Drafted>(by, 'POST', '/v1/chart/drafts', body);
  if (drafted.status !== 201) throw new Error(`draft: ${drafted.status} ${JSON.stringify(drafted.json)}`);
  let answer = await put(by, drafted.json);
  if (answer.status === 202 && second) answer = await put(second, answer.json);
  if (answer.status !== 200) throw new Error(`signature: ${answer.status} ${JSON.stringify(answer.json)}`);
  return answer.json;
}

const PLAIN = ['agent', 'technician'];
export interface Place {
  roles: string[];
  extension?: string;
  answersTo?: string; // a name; the owner
  second?: Person; // signs too, for all but agent and technician
}
// Named, invited, joined, given roles and signed in: all but agent and technician come after the passkey.
export async function hire(all: Company, owner: Person, name: string, place: Place): Promise<Person> {
  const added = await api<{ person: string }>(owner, 'POST', '/v1/people', { name, roles: [] });
  const id = added.json.person;
  const answers_to = await idOf(owner, place.answersTo ?? owner.name);
  const about = { kind: 'person', person: id, answers_to, extension: place.extension ?? '' };
  const plain = place.roles.filter((role) => PLAIN.includes(role));
  await change(owner, { ...about, roles: plain });
  const { link, invite, opens } = await makeInvitation();
  await change(owner, { kind: 'invited', person: id, invite, link: opens });
  const person = await all.person(name);
  await enrol(person, `${all.served.url}/enrol#${link}`);
  if (plain.length < place.roles.length) await change(owner, { ...about, roles: place.roles }, place.second);
  await signIn(person);
  return person;
}
