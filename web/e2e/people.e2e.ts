// People: the role chart is founded, others join and sign in by passkey, and what they had is lost, replaced, ended.
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../src/reader/bytes';
import { sealText } from '../src/vault/intake';
import { screen, serve, type Served } from './harness';
import { api, change, company, enrol, found, hire, idOf, newAuthenticator, signIn, type Company, type Person } from './people';

let served: Served;
let all: Company;
const at = (name: string): Person => all.people.get(name)!;
beforeAll(async () => {
  served = await serve('chart');
  all = await company(served);
});
afterAll(async () => {
  await all?.stop();
  await served?.stop();
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await all.picture(task.name);
  expect(all.complaints()).toEqual([]);
});

describe('the owner', () => {
  test('founds the role chart: the passphrase is rated while it is typed, the passkey signs', async () => {
    const olga = await all.person('olga');
    const { page } = olga;
    await page.goto(served.founding);
    await page.getByRole('heading', { name: 'Found the role chart' }).waitFor();
    expect(page.url()).not.toContain('#');
    await page.getByLabel('Passphrase', { exact: true }).fill('short');
    await page.getByText('7 more characters at least').waitFor();
    await page.getByLabel('Passphrase', { exact: true }).fill('password1234');
    await page.getByText(/Guessed too easily: \d of 4/).waitFor();
    await screen(page, 'enrol-weak');
    expect(await page.getByRole('button', { name: 'Make the passkey' }).isDisabled()).toBe(true);
    await found(all);
    await expect.poll(() => new URL(page.url()).pathname).toBe('/');
    expect((JSON.parse(await served.cli('user', 'list', '--json')) as { founded: boolean }).founded).toBe(true);
    // The link is worth nothing any more.
    const stranger = await all.person('stranger');
    await stranger.page.goto(served.founding);
    await stranger.page.getByText('This link was used already').waitFor();
  });
  test('sees what a release lacks', async () => {
    const { page } = at('olga');
    await page.getByRole('link', { name: 'People' }).click();
    await page.getByText('A release of customer data is not possible yet').waitFor();
    await page.getByText('an expert, who rings the customer back').waitFor();
    const two = page.getByRole('region', { name: 'Break-glass is not possible yet' });
    await two.getByText('a second authorised person', { exact: true }).waitFor();
    // Nobody else is there: how she comes back is asked for on every screen, until it is set up.
    await page.getByRole('region', { name: 'A second way in' }).getByRole('link').waitFor();
    await screen(page, 'people-alone');
  });
});

describe('a second person', () => {
  test('is named, invited by a link that is shown once, joins, and is given a role', async () => {
    const { page } = at('olga');
    await page.getByRole('button', { name: 'Add a person' }).click();
    await page.getByLabel('Name').fill('adam');
    await screen(page, 'people-add');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByText('Next: say to whom they answer').waitFor();
    await page.getByRole('combobox', { name: 'Answers to' }).selectOption({ label: 'olga' });
    for (const role of ['administrator', 'reviewer', 'expert']) expect(await page.getByLabel(role).isDisabled()).toBe(true);
    expect(await page.getByLabel('technician').isDisabled()).toBe(false);
    await screen(page, 'person-named');
    await page.getByRole('button', { name: 'Sign the change' }).click();
    await page.getByText('It is in the role chart.').waitFor();
    await page.getByText('Next: invite them').waitFor();
    await page.getByRole('button', { name: 'Invite…' }).click();
    const told = page.getByLabel('One-time link');
    await told.waitFor();
    await screen(page, 'person-invited');
    const link = await told.inputValue();
    expect(link).toMatch(/^https:\/\/localhost:\d+\/enrol#i[0-9a-f]{64}$/);
    await page.getByRole('button', { name: 'I have passed it on' }).click();
    expect(await page.content()).not.toContain(link.slice(-64));
    const adam = await all.person('adam');
    await adam.page.goto(link);
    await adam.page.getByRole('heading', { name: 'Join' }).waitFor();
    await adam.page.getByLabel('Passphrase', { exact: true }).fill(adam.passphrase);
    await adam.page.locator('[data-strength=good]').waitFor();
    await screen(adam.page, 'enrol-join');
    await enrol(adam, link);
    await adam.page.getByText('You have no role yet').waitFor();
    await screen(adam.page, 'sign-in-waits');
    await passphraseOf(adam);
    await adam.page.getByText('You have no role yet: an owner gives you one').waitFor({ timeout: 20_000 });
    await screen(adam.page, 'sign-in-no-role');
    await page.getByText('Next: give them their role').waitFor({ timeout: 20_000 });
    await screen(page, 'person-waits-for-role');
    await page.getByLabel('administrator').check();
    await page.getByRole('button', { name: 'Sign the change' }).click();
    await page.getByText('It is in the role chart.').waitFor();
    await signIn(adam);
    // An administrator lands on the people; calls are not theirs.
    await adam.page.waitForURL('**/people');
    expect(await adam.page.getByRole('navigation').getByRole('link', { name: 'Calls' }).count()).toBe(0);
  });
  test('a role that releases takes two: the second one compares, signs, and it is so', async () => {
    const olga = at('olga');
    const eva = await hire(all, olga, 'eva', { roles: ['technician'], extension: '21' });
    const { page } = olga;
    await page.goto(`/people/${await idOf(olga, 'eva')}`);
    await page.getByLabel('expert').check();
    await page.getByLabel('technician').uncheck();
    await screen(page, 'person-change');
    await page.getByRole('button', { name: 'Sign the change' }).click();
    await page.getByText('It waits for a second person').waitFor();
    await page.getByText('adam may sign second').waitFor();
    await screen(page, 'person-waits');
    const { page: second } = at('adam');
    // The header tells it by itself.
    await second.getByLabel('1 change waits for your signature').waitFor();
    await second.goto('/people');
    await second.getByText('gets expert').waitFor();
    expect(await second.getByText(/void in 1[0-4]:\d\d/).count()).toBe(1);
    await screen(second, 'people-second');
    await second.getByRole('button', { name: 'Sign as the second person' }).click();
    await second.getByText('It is in the role chart.').waitFor();
    expect(JSON.parse(await served.cli('user', 'list', '--json'))).toMatchObject({ people: expect.arrayContaining([expect.objectContaining({ name: 'eva', roles: ['expert'] })]) });
    await eva.page.goto('/me');
    await eva.page.getByRole('switch').waitFor();
  });
  test('a draft that waits is taken back', async () => {
    const olga = at('olga');
    const { page } = olga;
    await page.goto(`/people/${await idOf(olga, 'adam')}`);
    await page.getByLabel('authorised person').check();
    await page.getByRole('button', { name: 'Sign the change' }).click();
    await page.getByText('It waits for a second person').waitFor();
    await page.getByRole('button', { name: 'Withdraw' }).click();
    await expect.poll(() => page.getByRole('region', { name: 'Changes that wait' }).count()).toBe(0);
    expect((await api<{ drafts: unknown[] }>(at('adam'), 'GET', '/v1/chart/drafts')).json.drafts).toEqual([]);
  });
  test('the tree, with everybody whom a release needs', async () => {
    const olga = at('olga');
    await hire(all, olga, 'ruth', { roles: ['authorised'], second: at('adam') });
    await hire(all, olga, 'sam', { roles: ['supervisor'], second: at('adam') });
    await hire(all, olga, 'anna', { roles: ['agent'], extension: '31', answersTo: 'sam' });
    await change(olga, { kind: 'person', person: (await api<{ person: string }>(olga, 'POST', '/v1/people', { name: 'tom', roles: [] })).json.person, roles: ['technician'], answers_to: await idOf(olga, 'sam'), extension: '' });
    await api(olga, 'POST', '/v1/people', { name: 'newcomer', roles: [] });
    await olga.page.goto('/people');
    await olga.page.getByText('Everybody whom a release needs is here').waitFor();
    const tree = olga.page.getByRole('region', { name: 'Who answers to whom' });
    expect(await tree.getByRole('listitem').filter({ hasText: 'sam' }).last().innerText()).toMatch(/sam[\s\S]*anna[\s\S]*tom/);
    await screen(olga.page, 'people');
  });
});

// RFC 6238 with SHA-1 and six digits, `ahead` steps of 30 s from now.
function codeOf(base32: string, ahead: number): string {
  const bits = [...base32].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
  const secret = Buffer.from(bits.match(/.{8}/g)!.map((byte) => parseInt(byte, 2)));
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + ahead));
  const mac = createHmac('sha1', secret).update(counter).digest();
  return String((mac.readUInt32BE(mac[19]! & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}
async function passphraseOf({ page, name, passphrase }: Person): Promise<void> {
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Passphrase').fill(passphrase);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

// The same person in a second browser, with the same passkey.
async function elsewhere(person: Person): Promise<Person> {
  const context = await all.browser.newContext({ baseURL: all.served.url });
  const page = await context.newPage();
  const other = { ...person, context, page, cdp: await context.newCDPSession(page), authenticator: '' };
  await newAuthenticator(other);
  const { credentials } = await person.cdp.send('WebAuthn.getCredentials', { authenticatorId: person.authenticator });
  await other.cdp.send('WebAuthn.addCredential', { authenticatorId: other.authenticator, credential: credentials[0]! });
  await signIn(other);
  return other;
}
const ended = (person: Person): Promise<void> => person.page.getByText('Your session has ended. Sign in again.').waitFor({ timeout: 20_000 });

describe('signing in', () => {
  test('without the passkey nobody comes in; with somebody else’s neither', async () => {
    const anna = at('anna');
    const { page, cdp, authenticator } = anna;
    await page.goto('/me');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL('**/sign-in**');
    const { credentials } = await cdp.send('WebAuthn.getCredentials', { authenticatorId: authenticator });
    await cdp.send('WebAuthn.clearCredentials', { authenticatorId: authenticator });
    await passphraseOf(anna);
    await page.getByRole('heading', { name: 'Your passkey' }).waitFor();
    await page.getByText('No passkey was used').waitFor({ timeout: 20_000 });
    await screen(page, 'sign-in-second');
    expect((await api(anna, 'GET', '/v1/session')).status).toBe(401);
    // A key of another, under the id of hers: the server refuses what it signs.
    const { credentials: others } = await at('adam').cdp.send('WebAuthn.getCredentials', { authenticatorId: at('adam').authenticator });
    await cdp.send('WebAuthn.addCredential', { authenticatorId: authenticator, credential: { ...credentials[0]!, privateKey: others[0]!.privateKey } });
    await page.getByRole('button', { name: 'Use your passkey' }).click();
    await page.getByText('this passkey does not fit this sign-in').waitFor();
    expect((await api(anna, 'GET', '/v1/session')).status).toBe(401);
    await cdp.send('WebAuthn.clearCredentials', { authenticatorId: authenticator });
    await cdp.send('WebAuthn.addCredential', { authenticatorId: authenticator, credential: credentials[0]! });
    // Failures slow down; then the right one is let in.
    await expect.poll(async () => {
      const button = page.getByRole('button', { name: 'Use your passkey' });
      if (await button.isVisible()) await button.click().catch(() => {});
      await page.waitForTimeout(400);
      return page.locator('header .me').count();
    }, { timeout: 30_000, interval: 1_000 }).toBe(1);
  });
  test('a one-time code looks, and does no more', async () => {
    const eva = at('eva');
    const { page } = eva;
    await page.goto('/me');
    const card = page.getByRole('region', { name: 'One-time codes' });
    await card.getByRole('button', { name: 'Set up' }).click();
    await card.getByRole('img', { name: 'QR code' }).waitFor();
    const secret = (await card.locator('code').innerText()).replaceAll(' ', '');
    expect(secret).toMatch(/^[A-Z2-7]{32,}$/);
    await screen(page, 'own-code');
    await card.getByLabel('A code that it shows').fill(codeOf(secret, 0));
    await card.getByRole('button', { name: 'Confirm' }).click();
    await card.getByText('One-time codes are set up.').waitFor();
    await page.getByRole('switch').check();
    await page.getByText('On duty: requests come to you').waitFor();
    await screen(page, 'own');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL('**/sign-in**');
    await eva.cdp.send('WebAuthn.setUserVerified', { authenticatorId: eva.authenticator, isUserVerified: false });
    await passphraseOf(eva);
    await page.getByRole('button', { name: 'Use a one-time code instead' }).click();
    await page.getByLabel('One-time code').fill(codeOf(secret, 1));
    await screen(page, 'sign-in-code');
    await page.getByRole('button', { name: 'Sign in to look' }).click();
    await page.locator('header .me').waitFor({ timeout: 20_000 });
    await eva.cdp.send('WebAuthn.setUserVerified', { authenticatorId: eva.authenticator, isUserVerified: true });
    await page.goto('/me');
    await page.getByText('You came in with a one-time code').waitFor();
    expect(await page.getByRole('button', { name: 'Add a passkey' }).isDisabled()).toBe(true);
    expect(await page.getByRole('switch').isDisabled()).toBe(true);
    expect((await api(eva, 'POST', '/v1/own/duty', { on: false })).status).toBe(403);
    expect((await api(eva, 'POST', '/v1/own/passkeys', {})).status).toBe(403);
    await screen(page, 'own-by-code');
    // Another session of hers ends by the passphrase, which she has.
    const other = await elsewhere(eva);
    await page.reload();
    await page.getByRole('button', { name: 'End all others' }).click();
    const again = page.getByRole('dialog', { name: 'Your passphrase once more' });
    await again.getByLabel('Passphrase').fill('not her passphrase');
    await again.getByRole('button', { name: 'End' }).click();
    await page.getByText('your present passphrase is wrong').waitFor();
    await page.getByRole('button', { name: 'End all others' }).click();
    await again.getByLabel('Passphrase').fill(eva.passphrase);
    await screen(page, 'own-end-by-passphrase');
    await again.getByRole('button', { name: 'End' }).click();
    await ended(other);
    await other.context.close();
    await expect.poll(() => page.getByRole('button', { name: 'End all others' }).count()).toBe(0);
  });
  test('a session that is ended elsewhere ends here', async () => {
    const eva = at('eva');
    const { page } = at('adam');
    await page.goto(`/people/${await idOf(at('adam'), 'eva')}`);
    await page.getByRole('button', { name: 'End all' }).click();
    await page.getByText(/\d sessions? ended\./).waitFor();
    await eva.page.getByText('Your session has ended. Sign in again.').waitFor({ timeout: 20_000 });
    await page.getByRole('button', { name: 'Take one-time codes away' }).click();
    await page.getByText('The codes are gone').waitFor();
    await signIn(eva);
  });
});

describe('one’s own account', () => {
  test('another passphrase takes the old one and the passkey, and ends the other sessions', async () => {
    const anna = at('anna');
    const { page } = anna;
    const other = await elsewhere(anna);
    await page.goto('/me');
    await page.getByRole('button', { name: 'End all others' }).click(); // touched: the authenticator answers by itself
    await ended(other);
    await signIn(other);
    await page.goto('/me');
    const card = page.getByRole('region', { name: 'Passphrase' });
    await card.getByRole('button', { name: 'Change…' }).click();
    await card.getByLabel('Present passphrase').fill('not her passphrase');
    await card.getByLabel('New passphrase', { exact: true }).fill('annaannaanna');
    await card.getByText('Guessed too easily').waitFor();
    const wanted = 'eleven slow ferries of Anna';
    await card.getByLabel('New passphrase', { exact: true }).fill(wanted);
    await card.getByText('Strong enough').waitFor();
    await card.getByLabel('The new one again').fill(wanted);
    await screen(page, 'own-passphrase');
    await card.getByRole('button', { name: 'Change it' }).click();
    await card.getByText('your present passphrase is wrong').waitFor();
    await card.getByLabel('Present passphrase').fill(anna.passphrase);
    // Without the passkey nothing is changed.
    await anna.cdp.send('WebAuthn.setUserVerified', { authenticatorId: anna.authenticator, isUserVerified: false });
    await card.getByRole('button', { name: 'Change it' }).click();
    await card.getByText('No passkey was used').waitFor({ timeout: 20_000 });
    await anna.cdp.send('WebAuthn.setUserVerified', { authenticatorId: anna.authenticator, isUserVerified: true });
    await card.getByRole('button', { name: 'Change it' }).click();
    await card.getByText('It is changed. Your other sessions have ended.').waitFor({ timeout: 20_000 });
    expect(await page.locator('input[type=password]').count()).toBe(0);
    await ended(other);
    await other.context.close();
    await page.goto('/calls');
    await page.getByRole('button', { name: 'Sign out' }).click(); // from any screen
    await page.waitForURL('**/sign-in**');
    anna.passphrase = wanted;
    await signIn(anna);
  });
});

describe('passkeys', () => {
  test('a second one is added and removed; one alone is warned of', async () => {
    const olga = at('olga');
    const { page } = olga;
    const wayBack = page.getByRole('region', { name: 'A second way in' });
    await page.goto('/people');
    await wayBack.getByRole('link').click();
    await page.getByText('You have one passkey. If its device is lost, nobody gets in as you: add').waitFor();
    expect(await wayBack.count()).toBe(0);
    const first = olga.authenticator;
    await newAuthenticator(olga, true);
    // A person touches one of two devices. The new one makes the passkey, and is touched once too often: what it made is
    // kept, and confirmed with the old one.
    const touch = (authenticatorId: string, enabled: boolean): Promise<unknown> => olga.cdp.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId, enabled });
    await touch(first, false);
    await page.getByRole('button', { name: 'Add a passkey' }).click();
    await page.getByText('No passkey was used').waitFor({ timeout: 20_000 });
    await touch(olga.authenticator, false);
    await touch(first, true);
    await page.getByRole('button', { name: 'Confirm', exact: true }).click();
    await page.getByText('The new passkey is yours.').waitFor({ timeout: 20_000 });
    const keys = page.getByRole('region', { name: 'Passkeys' }).getByRole('listitem');
    expect(await keys.count()).toBe(2);
    await screen(page, 'own-two-passkeys');
    await page.getByRole('link', { name: 'People' }).click();
    await page.getByText('Everybody whom a release needs is here').waitFor();
    await expect.poll(() => wayBack.count()).toBe(0);
    await page.goto('/me');
    await keys.nth(1).getByRole('button', { name: 'Remove the passkey' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Sign the removal' }).click();
    await page.getByText('It is removed.').waitFor();
    expect(await keys.count()).toBe(1);
    await olga.cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId: olga.authenticator });
    olga.authenticator = first;
  });
  test('who lost all is given a new one by two custodians, who compare what is read to them', async () => {
    const eva = at('eva');
    // The events' stream stands only when both are chosen: the page looks anew then, and the choice stays.
    let stands = (): void => {};
    const chosen = new Promise<void>((resolve) => (stands = resolve));
    await eva.page.route('**/v1/events', (route) => chosen.then(() => route.continue()));
    await eva.page.goto('/me');
    await eva.page.getByRole('combobox', { name: 'First' }).selectOption({ label: 'adam' });
    await eva.page.getByRole('combobox', { name: 'Second' }).selectOption({ label: 'sam' });
    const looked = eva.page.waitForResponse('**/v1/sessions');
    stands();
    await (await looked).finished();
    await eva.page.unroute('**/v1/events');
    await eva.page.getByRole('region', { name: 'Custodians' }).getByRole('button', { name: 'Sign the change' }).click();
    await eva.page.getByText('It is in the role chart.').waitFor();
    await eva.page.getByRole('button', { name: 'Sign out' }).click();
    await newAuthenticator(eva); // the device is gone
    const { page: first } = at('adam');
    await first.goto(`/people/${await idOf(at('adam'), 'eva')}`);
    await first.getByRole('button', { name: 'They lost every passkey' }).click();
    await first.getByRole('button', { name: 'Make a recovery link' }).click();
    const link = await first.getByLabel('One-time link').inputValue();
    await enrol(eva, link);
    const read = await eva.page.locator('.print').innerText();
    await screen(eva.page, 'enrol-offer');
    await first.getByRole('button', { name: 'I have passed it on' }).click();
    const offer = first.getByRole('region', { name: 'eva offers a new passkey' });
    await offer.waitFor({ timeout: 20_000 });
    expect(await offer.getByText(read).count()).toBe(1);
    expect(await offer.getByRole('button', { name: 'Sign the replacement' }).isDisabled()).toBe(true);
    await offer.getByRole('checkbox').check();
    await screen(first, 'person-offers');
    await offer.getByRole('button', { name: 'Sign the replacement' }).click();
    await first.getByText('It waits for a second person').waitFor();
    const { page: second } = at('sam');
    await second.goto('/people');
    const waiting = second.getByRole('region', { name: 'Changes that wait' });
    await waiting.getByText(read).waitFor();
    expect(await waiting.getByText(read).count()).toBe(1);
    expect(await waiting.getByRole('button', { name: 'Sign as the second person' }).isDisabled()).toBe(true);
    await waiting.getByRole('checkbox').check();
    await screen(second, 'people-second-replaces');
    await waiting.getByRole('button', { name: 'Sign as the second person' }).click();
    await second.getByText('It is in the role chart.').waitFor();
    await signIn(eva);
  });
  test('the page’s key opens recordings; a page that was loaded anew asks once more', async () => {
    const olga = at('olga');
    const { page } = olga;
    const sent: string[] = [];
    const bound: string[] = [];
    page.on('request', (request) => {
      const body = request.postDataJSON() as { reader_key?: string } | null;
      if (request.url().endsWith('/openings')) sent.push(toHex(Buffer.from(body!.reader_key!, 'base64')));
      if (/\/v1\/(session\/passkey|own\/readers)$/.test(request.url())) bound.push(body!.reader_key!);
    });
    await page.goto('/me');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL('**/sign-in**');
    await signIn(olga);
    const [{ call }] = JSON.parse(await served.cli('import', join(served.calls, 'outgoing_plain.wav'), '--wait', '--json', '--direction', 'outgoing')) as [{ call: string }];
    await page.locator('tbody tr').first().click();
    await page.waitForURL(`**/calls/${call}`);
    const open = async (): Promise<void> => {
      await page.getByLabel('Reason').first().fill('story: who is asked');
      await page.getByRole('button', { name: 'Open', exact: true }).click();
    };
    await open();
    await page.getByText('Opened for:').waitFor({ timeout: 20_000 });
    expect(new Set(sent)).toEqual(new Set(bound));
    const before = sent.splice(0).length;
    expect(before).toBeGreaterThan(0);
    const problem = { type: 'about:blank', title: 'unavailable', status: 503, detail: 'the keeper is just being restarted' };
    await page.route('**/v1/own/readers', (route) => route.fulfill({ status: 503, contentType: 'application/problem+json', json: problem }));
    await page.reload();
    await open();
    // The passkey alone: nobody asks for a passphrase. Refused at first, to see what is said.
    const refused = page.getByRole('dialog').getByRole('alert');
    await refused.waitFor();
    expect(await page.getByLabel('Passphrase').count()).toBe(0);
    expect(sent).toEqual([]);
    await screen(page, 'passkey-again');
    await page.keyboard.press('Escape');
    await page.getByText('Not opened: the page has no key.').waitFor();
    await page.getByRole('button', { name: 'Open', exact: true }).click();
    await refused.waitFor();
    await page.unroute('**/v1/own/readers');
    await page.getByRole('button', { name: 'Use your passkey' }).click();
    await page.getByText('Opened for:').waitFor({ timeout: 20_000 });
    expect(new Set(sent)).toEqual(new Set([bound.at(-1)]));
    expect(bound.at(-1)).not.toBe(bound[0]);
    // And where nothing is wrong it is one touch, without a window in between.
    await page.reload();
    sent.splice(0);
    await open();
    await page.getByText('Opened for:').waitFor({ timeout: 20_000 });
    expect(new Set(sent)).toEqual(new Set([bound.at(-1)]));
    expect((await api<{ sessions: unknown[] }>(olga, 'GET', '/v1/sessions')).json.sessions.length).toBe(1);
  });
  test('a command line reads in the name of who signs its key, and of nobody else', async () => {
    const { page } = at('olga');
    const [{ id: call }] = (await api<{ calls: { id: string }[] }>(at('olga'), 'GET', '/v1/calls')).json.calls as [{ id: string }];
    const { said, done } = await served.waiting(/\s(https:\S+)\ncompare (\S+),/, 'transcript', call, '--reason', 'story: at the command line');
    await page.goto(said[1]!);
    await page.getByText('story: at the command line').waitFor();
    await page.getByText(said[2]!).waitFor();
    const sign = page.getByRole('button', { name: 'Sign with your passkey' });
    expect(await sign.isDisabled()).toBe(true);
    await page.getByRole('checkbox').check();
    await screen(page, 'consent');
    await sign.click();
    await page.getByText('Signed. The command line goes on').waitFor();
    const { code, out } = await done;
    expect(code).toBe(0);
    expect(out).toMatch(/customer|agent/);
    await page.goto(said[1]!);
    await page.getByText('There is no such request').waitFor();
  });
});

describe('the customer’s form', () => {
  async function formOf(field: string): Promise<string> {
    const anna = at('anna');
    const key = (await api<{ key: number; public_key: string }>(anna, 'GET', '/v1/intake-key')).json;
    const intake = toHex(crypto.getRandomValues(new Uint8Array(16)));
    const values = { name: 'Carla Cole', phone: '+49 30 901820', query: 'The heating stays cold since Monday evening' };
    const fields = await Promise.all(
      Object.entries(values).map(async ([name, text]) => ({
        field: name,
        value: await sealText({ key: key.key, publicKey: key.public_key }, text, 'field', [intake, name]),
      })),
    );
    const stored = await api<{ customer: string; case: number }>(anna, 'POST', '/v1/intakes', { intake, fields });
    expect(stored.status).toBe(201);
    const made = await api<{ url: string }>(anna, 'POST', `/v1/customers/${stored.json.customer}/cases/${stored.json.case}/forms`, { field });
    expect(made.status).toBe(201);
    return made.json.url;
  }
  test('takes one value, once, and forgets it', async () => {
    const carla = await all.person('carla');
    const { page } = carla;
    const url = await formOf('password');
    expect(fromHex(url.split('#')[1]!).length).toBe(32);
    await page.goto(url);
    const field = page.locator('#value');
    await field.waitFor();
    expect(page.url()).not.toContain('#');
    expect(await page.getByRole('navigation').count()).toBe(0);
    expect(await field.getAttribute('type')).toBe('password');
    expect(await field.getAttribute('autocomplete')).toBe('off');
    // What becomes of it, in words, by the policy's class of the field.
    await page.locator('[data-class=secret]').getByText('It is destroyed once it was used').waitFor();
    expect(await page.locator('[data-class=secret]').innerText()).toMatch(/It is kept for \d+ hours? at most\./);
    await field.fill('sunshine 42');
    await screen(page, 'form');
    const bodies: string[] = [];
    page.on('request', (request) => bodies.push(request.postData() ?? ''));
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('Thank you. It was received.').waitFor();
    expect(bodies.join('')).not.toContain('sunshine');
    expect(bodies.join('')).toContain('ciphertext');
    expect(await page.evaluate(() => document.documentElement.outerHTML + JSON.stringify({ ...localStorage, ...sessionStorage }))).not.toContain('sunshine');
    await screen(page, 'form-done');
    await page.goto('about:blank');
    await page.goto(url);
    await page.getByText('This link is not valid any more.').waitFor();
    await screen(page, 'form-gone');
  });
  test('says what is wrong with a link, and slows down', async () => {
    const { page } = at('carla');
    await page.goto('/form');
    await page.getByText('This address lacks its end').waitFor();
    const url = await formOf('query');
    await page.goto(url); // in the same tab, where only what is behind # differs
    await page.locator('textarea').waitFor();
    expect(await page.locator('[data-class=reference]').innerText()).toMatch(/Who works on your case reads it.*It is kept until \d+ days after your case is closed\./);
    for (let i = 0; i < 40; ++i) await page.evaluate(() => fetch('/v1/form', { headers: { 'X-Form-Token': 'ab'.repeat(32) } }));
    await page.goto('about:blank');
    await page.goto(url);
    await page.getByText('Too many tries.').waitFor();
    await screen(page, 'form-many');
  });
});
