// A customer's data from the agent's form to the review of who saw it: six people with passkeys, a telephone system, one log.
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { screen, serve, shots, type Served } from './harness';
import { api, company, found, hire, idOf, visit, type Company, type Person } from './people';
import { backToDecide, hear, readAndHear } from './hearing';
import { callBacks, outside, type Outside } from './outside';

const here = dirname(fileURLToPath(import.meta.url));
const NUMBER = '+4915112345678';
const RTP = 44_000 + (process.pid % 100) * 40;
const MINUTE = 60_000;
// Nothing of this may stand anywhere but in the inputs it is typed into, and for a minute before who may see it. A name, a query
// and a concern are markup that tells on itself; in an address, which can have none, an old-fashioned entity.
const MARKUP = { name: '<img src=x onerror=toldMarkup("ran")>', query: '<svg onload=toldMarkup("ran")>', concern: '<script>toldMarkup("ran")</script>' };
const PLANTED = {
  name: `Carla ${MARKUP.name} Plantedova`, phone: '+49 1511 2345600', query: `Planted picture stays black since Tuesday ${MARKUP.query}`, email: 'carla@planted-mail.example',
  password: 'planted-sunshine-42', service_word: 'Planted Blue Heron',
};
const EMAIL_AFTER = 'carla&ltnew&gt@planted-mail.example';
const PHONE_AFTER = '+49 1511 2345678'; // a number that was changed lately takes two people to release
const PASSWORD_AFTER = 'planted-moonlight-43';
const DORA = { name: `Dora ${MARKUP.concern} Plantedova`, phone: PHONE_AFTER, query: 'Planted remote control does nothing', service_word: 'Planted Grey Gull' };
const CONCERN = `The replacement decoder was sent back and the customer waits for a new delivery note ${MARKUP.concern}`;
const HALF_TYPED = 'planted and half typed';
// Of what has markup, pieces: a page has that escaped.
const PIECE = { name: 'Plantedova', query: 'stays black', email: 'planted-mail' };
const PHRASES = [
  ...Object.values(PLANTED), ...Object.values(DORA), EMAIL_AFTER, PASSWORD_AFTER, PHONE_AFTER, NUMBER, HALF_TYPED, '15112345678', '15112345600', 'decoder was sent',
  'Blue Heron', 'toldMarkup', ...Object.values(PIECE),
];

let served: Served;
let all: Company;
let phones: Outside;
let clients: ChildProcess[] = [];
const who: Record<string, Person> = {};
let customer = '';
let request = '';
const STAFF = ['olga', 'max', 'ada', 'tom', 'eve', 'anna', 'abe'];
const traffic: Record<string, string[]> = { ada: [], tom: [], eve: [], anna: [] };

function listenIn(person: Person): void {
  const into = traffic[person.name]!;
  person.context.on('request', (sent) => void into.push(`${sent.method()} ${sent.url()} ${sent.postData() ?? ''}`));
  person.context.on('response', (got) => {
    if ((got.headers()['content-type'] ?? '').includes('event-stream')) return;
    got.text().then((text) => void into.push(`${got.url()} ${JSON.stringify(got.headers())} ${text}`), () => {});
  });
}
// Whatever becomes an element of what was typed, in any page of this person's at any time, is a complaint; so is what runs of it.
async function watchMarkup(person: Person): Promise<void> {
  await person.context.exposeFunction('toldMarkup', (what: string) => void person.complaints.push(`markup ${what}`));
  await person.context.addInitScript(() => {
    const told = (window as unknown as { toldMarkup: (what: string) => void }).toldMarkup;
    const strange = 'img[src="x"], [onerror], [onload], script:not([src])';
    new MutationObserver((changes) => {
      for (const node of changes.flatMap(({ addedNodes }) => [...addedNodes]))
        if (node instanceof Element && (node.matches(strange) || node.querySelector(strange))) told(`came: ${node.outerHTML.slice(0, 200)}`);
    }).observe(document, { childList: true, subtree: true });
  });
}
// In the header, wherever one is.
const waiting = (page: Page) => page.locator('header [data-turns]');
const window_ = (page: Page) => page.locator('header [data-window]');
const state = (page: Page) => page.locator('main header [data-state]').first();
async function type(page: Page, values: Record<string, string>): Promise<void> {
  for (const [id, value] of Object.entries(values)) await page.locator(`input[data-field="${id}"]`).fill(value);
  await page.getByRole('button', { name: 'Store', exact: true }).click();
}
// Two minutes of a soft tone on both sides.
function tone(): Buffer {
  const RATE = 8_000;
  const frames = 120 * RATE;
  const wav = Buffer.alloc(44 + frames * 4);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(36 + frames * 4, 4);
  wav.write('WAVEfmt ', 8);
  [[16, 16, 4], [20, 1, 2], [22, 2, 2], [24, RATE, 4], [28, RATE * 4, 4], [32, 4, 2], [34, 16, 2]].forEach(([at, value, size]) => wav.writeUIntLE(value!, at!, size!));
  wav.write('data', 36);
  wav.writeUInt32LE(frames * 4, 40);
  for (let i = 0; i < frames * 2; ++i) wav.writeInt16LE(Math.round(2_000 * Math.sin((2 * Math.PI * 300 * (i >> 1)) / RATE)), 44 + i * 2);
  return wav;
}
// A call at 701 from the number on file, for which the carriers vouch.
function siprec(): ChildProcess {
  const near = join(dirname(resolve(here, '..', process.env.CALLWARD_BINARY ?? '../build/release/callward')), 'siprec-client');
  const program = process.env.CALLWARD_SIPREC_CLIENT ?? near;
  const file = join(served.calls, 'tone.wav');
  writeFileSync(file, tone());
  const address = served.sip.split('sip:').at(-1)!.split(';')[0]!;
  const client = spawn(program, [
    '--server', address, '--transport', 'tcp', '--customer', 'sip:+4915112345600;verstat=TN-Validation-Passed-A@carrier.example;user=phone', '--agent', 'sip:701@pbx.example',
    file,
  ], { stdio: 'ignore' });
  clients.push(client);
  return client;
}

// Whatever a browser has kept: the page, its storages, its caches, what went over the wire.
async function kept(person: Person): Promise<{ page: string; wire: string }> {
  const stored = await person.page.evaluate(async () => {
    const parts = [document.documentElement.outerHTML, location.href, JSON.stringify(history.state), JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }), document.cookie];
    for (const { name } of await indexedDB.databases()) parts.push(`database ${name}`);
    for (const name of await caches.keys()) for (const one of await (await caches.open(name)).keys()) parts.push(one.url);
    for (const input of document.querySelectorAll<HTMLInputElement>('input, textarea')) parts.push(input.value);
    return parts.join('\n');
  });
  const { entries } = await person.cdp.send('Page.getNavigationHistory');
  return { page: `${stored}\n${JSON.stringify(entries)}`, wire: traffic[person.name]!.join('\n') };
}
// `gone`: what came over the wire once, and is not kept.
async function holdsNothing(name: string, ...gone: string[]): Promise<void> {
  const { page, wire } = await kept(who[name]!);
  expect(page.length).toBeGreaterThan(2_000);
  for (const phrase of [...PHRASES, ...gone]) expect(page.includes(phrase), `${name} keeps: ${phrase}`).toBe(false);
  expect(wire.length).toBeGreaterThan(20_000);
  for (const phrase of PHRASES) expect(wire.includes(phrase), `${name}'s wire: ${phrase}`).toBe(false);
}

// The expert's page while the customer is called back; `hangUp` waits until it was long enough.
async function callBack(page: Page) {
  await page.getByRole('button', { name: 'Call the customer back' }).click();
  await page.locator('[data-call=talking]').waitFor({ timeout: 30_000 });
  const talking = Date.now();
  const check = (id: string) => page.locator(`[data-check="${id}"]`);
  const compare = async (id: string, said: string): Promise<void> => {
    await check(id).getByRole('textbox').fill(said);
    await check(id).getByRole('button').click();
  };
  const hangUp = async (): Promise<void> => {
    // A call-back that is shorter than the policy wants counts for nothing.
    await page.waitForTimeout(Math.max(0, 33_000 - (Date.now() - talking)));
    await phones.tell({ do: 'hang_up', name: '7001' });
    await page.locator('[data-call=over]').waitFor({ timeout: 20_000 });
    await page.getByText(/Talked for \d+ s, recorded\./).waitFor();
  };
  return { check, compare, hangUp };
}

beforeAll(async () => {
  phones = outside();
  const telephony = await callBacks(phones, '7001', NUMBER, RTP);
  served = await serve('chart', {
    ...telephony,
  });
  all = await company(served);
  for (const name of STAFF) await watchMarkup(await all.person(name));
  const olga = (who.olga = await found(all));
  const max = (who.max = await hire(all, olga, 'max', { roles: ['supervisor'] }));
  who.ada = await hire(all, olga, 'ada', { roles: ['agent'], answersTo: 'max', extension: '701' });
  who.tom = await hire(all, olga, 'tom', { roles: ['technician'], answersTo: 'max' });
  who.eve = await hire(all, olga, 'eve', { roles: ['expert'], extension: '7001', second: max });
  who.anna = await hire(all, olga, 'anna', { roles: ['authorised'], second: max });
  who.abe = await hire(all, olga, 'abe', { roles: ['authorised'], second: max });
  for (const name of Object.keys(traffic)) listenIn(who[name]!);
}, 5 * MINUTE);
afterAll(async () => {
  for (const client of clients) client.kill();
  clients = [];
  await all?.stop();
  await served?.stop();
  await phones?.stop();
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail')
    for (const { name, page } of all.people.values()) await page.screenshot({ path: join(shots, `failed-${name}.png`), timeout: 30_000 }).catch(() => {});
  expect(all.complaints()).toEqual([]);
});

describe('the desk', () => {
  test('an agent looks a caller up, and types; what is typed is stored and never read back', async () => {
    const page = await visit(who.ada!, '/desk');
    await page.locator('[data-lamp=none]').waitFor();
    await page.getByText('No open case of yours.').waitFor();
    await screen(page, 'desk-empty');
    await page.getByLabel('Value').fill(PLANTED.phone);
    await page.getByRole('button', { name: 'Look up' }).click();
    await page.getByText('Nobody has this value').waitFor();
    // No browser fills these in, remembers them, or sends them to a spelling service; a secret is not read over a shoulder.
    const inputs = page.locator('main input:not([type=checkbox])');
    expect(await inputs.count()).toBe(1 + Object.keys(PLANTED).length);
    for (const input of await inputs.all())
      for (const [name, value] of [['autocomplete', 'off'], ['autocapitalize', 'none'], ['spellcheck', 'false'], ['name', null]] as const)
        expect(await input.getAttribute(name), `${await input.getAttribute('id')} ${name}`).toBe(value);
    for (const form of await page.locator('main form').all()) expect(await form.getAttribute('autocomplete')).toBe('off');
    for (const id of ['password', 'service_word'])
      expect(await page.locator(`input[data-field="${id}"]`).evaluate((one) => getComputedStyle(one).getPropertyValue('-webkit-text-security')), id).toBe('disc');
    // What every new customer is asked for is asked for.
    await type(page, { query: PLANTED.query });
    await page.getByText('Name is asked of every new customer.').waitFor();
    await type(page, PLANTED);
    await page.getByText('Stored in C-1.').waitFor();
    for (const id of Object.keys(PLANTED)) {
      await page.locator(`[data-chip="${id}"]`).waitFor();
      expect(await page.locator(`input[data-field="${id}"]`).inputValue()).toBe('');
    }
    expect(await page.locator('[data-chip=password]').innerText()).toMatch(/goes by \d\d:\d\d|goes by \d{4}/);
    await screen(page, 'desk-stored');
    const href = (await page.getByRole('link', { name: 'What is kept' }).getAttribute('href'))!;
    customer = href.split('/').at(-1)!;
  });
  test('a call comes: the lamp says what is recorded; private is private; a correction is a new version', async () => {
    const { page } = who.ada!;
    await page.getByRole('button', { name: 'Start over' }).click();
    const line = siprec();
    await page.locator('[data-lamp=recording]').waitFor({ timeout: 15_000 });
    await page.locator('[data-attestation=attested_a]').waitFor();
    // Whose number it is comes with the call; the number does not.
    await page.locator('[data-caller=known]').waitFor();
    expect(await page.locator(`[data-found="${customer}"]`).innerText()).toContain('open: C-1');
    await screen(page, 'desk-recording');
    // The customer only: what the agent says stays recorded. A page that is loaded anew knows of it.
    await page.getByRole('button', { name: 'Customer only' }).click();
    const lamp = page.locator('[data-lamp=private]');
    await page.locator('[data-lamp=private][data-sides=customer]').waitFor();
    expect(await lamp.innerText()).toContain('You are recorded');
    await screen(page, 'desk-private-customer');
    await page.reload();
    await page.locator('[data-lamp=private][data-sides=customer]').waitFor();
    await page.getByText(/ends by itself in [0-2]/).waitFor();
    // So does another one of hers; and one side becomes both on each of them.
    const beside = await who.ada!.context.newPage();
    await beside.goto('/desk');
    await beside.locator('[data-lamp=private][data-sides=customer]').waitFor();
    await page.bringToFront();
    await page.getByRole('button', { name: 'Both sides' }).click();
    await page.locator('[data-lamp=private][data-sides=both]').waitFor();
    await beside.locator('[data-lamp=private][data-sides=both]').waitFor({ timeout: 5_000 });
    await beside.close();
    await screen(page, 'desk-private');
    await page.getByRole('button', { name: 'Record again' }).click();
    await page.locator('[data-lamp=recording]').waitFor();
    await page.getByLabel('Value').fill('+49 (0)1511 2345600');
    await page.getByRole('button', { name: 'Look up' }).click();
    await page.getByText('Known customer').waitFor();
    expect(await page.locator('[data-found]').innerText()).toContain('open: C-1');
    await page.getByRole('button', { name: 'Go on with C-1' }).click();
    await type(page, { email: EMAIL_AFTER, phone: PHONE_AFTER });
    await page.locator('[data-chip=email]').waitFor();
    // A link for the customer, shown once.
    await page.getByLabel('Field', { exact: true }).selectOption('password');
    await page.getByRole('button', { name: 'Make a link' }).click();
    await page.getByLabel('One-time link').waitFor();
    expect(await page.getByLabel('One-time link').inputValue()).toMatch(/\/form#[0-9a-f]{64}$/);
    await screen(page, 'desk-link');
    const link = await page.getByLabel('One-time link').inputValue();
    const carla = (await all.person('carla')).page;
    await carla.goto(link);
    await carla.locator('#value').fill(PASSWORD_AFTER);
    await carla.getByRole('button', { name: 'Send' }).click();
    await carla.getByText('Thank you. It was received.').waitFor();
    await page.bringToFront();
    await page.locator('[data-link=answered]').waitFor({ timeout: 20_000 });
    expect(await page.getByLabel('One-time link').count()).toBe(0);
    // Half typed when the call ends: gone with it.
    await page.locator('input[data-field=query]').fill(HALF_TYPED);
    expect((await kept(who.ada!)).page).toContain(HALF_TYPED); // so the search would find it
    line.kill('SIGTERM');
    await page.locator('[data-over]').waitFor({ timeout: 40_000 });
    await page.locator('[data-lamp=none]').waitFor();
    expect(await page.locator('[data-chip], [data-found]').count()).toBe(0);
    expect(await page.getByLabel('One-time link').count()).toBe(0);
    const typed = await page.locator('main input').evaluateAll((inputs) => inputs.map((input) => (input as HTMLInputElement).value).join(''));
    expect(typed).toBe('');
    await holdsNothing('ada', link.split('#').at(-1)!);
    await screen(page, 'desk-over');
    // The log says who was private, of which sides; so does the call's own page.
    const said = (await api<{ entries: { subject: string; data: { sides: string; kept: number[] } }[] }>(who.olga!, 'GET', '/v1/log/entries?type=private_on')).json.entries;
    expect(said.map(({ data }) => [data.sides, data.kept])).toEqual([['both', []], ['customer', [1]]]);
    const call = await visit(who.olga!, `/calls/${said[0]!.subject}`);
    await call.getByText('customer only').first().waitFor({ timeout: 20_000 });
    await call.getByText('both sides').first().waitFor();
    await screen(call, 'call-private');
  });
  test('the case is given to a technician, who reads its query and nothing else', async () => {
    const { page } = who.ada!;
    await page.getByRole('button', { name: /^Go on: C-1/ }).click();
    await page.getByLabel('Technician').selectOption(await idOf(who.olga!, 'tom'));
    await page.getByText('Given.').waitFor();
    const toms = await visit(who.tom!, '/desk');
    await toms.getByRole('button', { name: 'Read the query' }).click({ timeout: 30_000 });
    await toms.getByText(PLANTED.query).waitFor();
    await screen(toms, 'desk-query');
    await toms.getByRole('button', { name: 'Hide' }).click();
    expect(await toms.content()).not.toContain(PIECE.query);
    expect(await toms.locator('a', { hasText: 'Calls' }).count()).toBe(0);
  });
});

describe('a customer', () => {
  test('is chips: kind, class, state, until when; who leads holds and hands out the receipt', async () => {
    const page = await visit(who.max!, `/customers/${customer}`);
    await page.locator('tr[data-field=email][data-state=readable]').waitFor();
    await page.locator('tr[data-field=service_word][data-state=compare_only]').waitFor();
    await page.getByRole('button', { name: 'Set a legal hold…' }).click();
    await page.getByRole('dialog').getByLabel('Why, in words').fill('no');
    await page.getByRole('button', { name: 'Set the hold' }).click();
    await page.getByText('Say why, in at least 3 characters.').waitFor();
    await page.getByRole('dialog').getByLabel('Why, in words').fill('a court asks for it');
    await page.getByRole('button', { name: 'Set the hold' }).click();
    await page.getByText('The legal hold is set.').waitFor();
    await page.getByRole('button', { name: 'Show' }).click();
    await page.locator('[data-receipt]').waitFor();
    await screen(page, 'customer');
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Download as text' }).click()]);
    const text = readFileSync(await file.path(), 'utf8');
    expect(text).toContain(`Receipt for customer ${customer}`);
    for (const phrase of PHRASES) expect(text).not.toContain(phrase);
    await page.getByRole('button', { name: 'Lift the legal hold…' }).click();
    await page.getByRole('dialog').getByLabel('Why, in words').fill('the court is done');
    await page.getByRole('button', { name: 'Lift the hold' }).click();
    await page.getByText('The legal hold is lifted.').waitFor();
    // Everything at once takes two: one is not enough.
    await page.getByRole('button', { name: 'Erase everything…' }).click();
    await screen(page, 'customer-erase');
    await page.keyboard.press('Escape');
  });
});

describe('a request', () => {
  test('is asked with a concern, signed by the passkey; the time-line says who may go on', async () => {
    const { page } = who.tom!;
    await page.bringToFront();
    await page.getByRole('link', { name: 'Ask for data' }).click();
    await page.getByRole('checkbox', { name: 'E-mail' }).check();
    await page.getByRole('checkbox', { name: 'Name' }).check();
    await page.getByLabel('Your concern').fill('please');
    await page.getByRole('button', { name: 'Sign and ask' }).click();
    await page.getByText('At least 20 letters').waitFor();
    await page.getByLabel('Your concern').fill(CONCERN);
    await page.getByLabel('What is it about').selectOption('contract');
    await page.getByLabel('How long you need it').selectOption('10');
    await screen(page, 'customer-ask');
    await page.getByRole('button', { name: 'Sign and ask' }).click();
    await page.waitForURL(/\/requests\/[0-9a-f]{32}$/);
    request = page.url().split('/').at(-1)!;
    // Nobody is on duty yet: that is what it waits for, and what the page says.
    await page.locator('[data-moment=no_expert]').getByText('No expert is on duty').waitFor();
    expect(await state(page).innerText()).toBe('no expert is on duty');
    await screen(page, 'request-no-expert');
    expect((await api(who.eve!, 'POST', '/v1/own/duty', { on: true })).status).toBe(200);
    await expect.poll(() => state(page).getAttribute('data-state'), { timeout: 20_000 }).toBe('assigned');
    expect(await page.locator('[data-moment=no_expert]').count()).toBe(0);
    await page.locator('[data-moment=Asked]').waitFor();
    expect(await page.locator('[data-next=ring]').getAttribute('data-me')).toBe('no');
    expect(await page.locator('[data-next=ring]').innerText()).toContain('It is not yours to verify');
    await screen(page, 'request-asked');
  });
  test('the expert has it in the list; the system dials; checks are blind; three sentences', async () => {
    // Told wherever she is, and no click away.
    const page = await visit(who.eve!, '/people');
    await waiting(page).waitFor({ timeout: 15_000 });
    expect(await waiting(page).innerText()).toMatch(/^1\s+request waits for you$/);
    expect(await waiting(page).getAttribute('title')).toBe('1 to verify');
    expect(await page.locator('header').getByRole('status').innerText()).toBe('1 request waits for you');
    await screen(page, 'header-turn');
    await waiting(page).click();
    await page.waitForURL('**/requests?view=verify');
    await page.locator(`[data-request="${request}"]`).waitFor();
    await page.getByText('your turn').waitFor();
    await screen(page, 'requests-verify');
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/requests/${request}`);
    const { check, compare, hangUp } = await callBack(page);
    await compare('name', 'Karla Someone');
    await check('name').getByText('does not fit').waitFor();
    expect(await check('name').innerText()).toMatch(/2 tries left/);
    await screen(page, 'request-calling');
    await compare('name', PLANTED.name.toLowerCase());
    await check('name').getByText('passed').waitFor();
    await compare('service_word', 'planted  blue heron');
    await check('service_word').getByText('passed').waitFor();
    expect(await page.getByRole('button', { name: 'Sign: passed' }).isDisabled()).toBe(true);
    await hangUp();
    await page.getByLabel('Is the request genuine?').fill('It is genuine, she told of the decoder herself');
    await page.getByLabel('Is it the right person?').fill('It is her own number and her service word');
    await screen(page, 'request-verdict');
    await page.getByRole('button', { name: 'Sign: passed' }).click();
    await page.getByText('A sentence each').waitFor();
    await page.getByLabel('Does the customer agree?').fill('She agrees and asks for it to be quick');
    await page.getByRole('button', { name: 'Sign: passed' }).click();
    await expect.poll(() => state(page).getAttribute('data-state'), { timeout: 20_000 }).toBe('verified');
    // The number that was dialled reached neither the expert's page nor the expert's telephone.
    expect((await phones.tell<{ count: number }>({ do: 'seen', name: '7001', text: NUMBER.slice(1) })).count).toBe(0);
    await expect.poll(() => waiting(page).count(), { timeout: 15_000 }).toBe(0);
  }, 3 * MINUTE);
  test('an authorised person reads the concern, narrows and releases; the number is young: a second one must, too', async () => {
    const page = await visit(who.anna!, `/requests/${request}`);
    await page.getByRole('heading', { name: 'Decide' }).waitFor();
    await page.locator('[data-first]').waitFor();
    // Unread and unheard, the keeper takes no release.
    await page.getByRole('button', { name: 'Sign: release' }).click();
    await page.getByRole('alert').getByText('read the concern first').waitFor({ timeout: 15_000 });
    await screen(page, 'request-unheard');
    // She hears the call-back, and of other calls nothing.
    await readAndHear(page, CONCERN);
    expect(await page.getByRole('link', { name: 'Proof of erasure' }).count()).toBe(0);
    expect((await api(who.anna!, 'GET', '/v1/calls')).status).toBe(403);
    await screen(page, 'request-heard');
    await backToDecide(page);
    await page.locator('[data-moment="Call-back heard"]').waitFor();
    await page.getByText('Service word: fits').first().waitFor();
    // What the carriers said when the customer rang is shown, and counts for nothing.
    const said = page.locator('[data-attestation]');
    expect(await said.getAttribute('data-attestation')).toBe('attested_a');
    expect(await said.innerText()).toContain('it counts for no check');
    expect(await waiting(page).getAttribute('title')).toBe('1 to release');
    // What it is about and how long it is wished are there before any word is opened; the wish is what is offered first.
    expect(await page.locator('[data-asked]').innerText()).toMatch(/Contract\s+wished: open for 10 minutes/);
    expect(await page.getByLabel('Open for').inputValue()).toBe('10');
    await page.getByRole('checkbox', { name: 'Name' }).uncheck();
    await page.getByLabel('Open for').fill('5');
    await screen(page, 'request-release');
    await page.getByRole('button', { name: 'Sign: release' }).click();
    await expect.poll(() => state(page).getAttribute('data-state'), { timeout: 20_000 }).toBe('half_released');
    expect(await page.locator('[data-next=release]').innerText()).toContain('You have released it already');
    const second = await visit(who.abe!, '/requests');
    await second.locator(`[data-request="${request}"]`).click();
    await second.getByText(/anna has released it/).waitFor();
    await screen(second, 'request-second');
    await readAndHear(second, CONCERN);
    await backToDecide(second);
    await second.getByRole('button', { name: 'Sign: release, as the second' }).click();
    await expect.poll(() => state(second).getAttribute('data-state'), { timeout: 20_000 }).toBe('open');
  });
  test('the window opens by itself; a look is signed, watermarked, and wiped when one looks away', async () => {
    const { page } = who.tom!;
    await page.bringToFront();
    await page.locator('[data-window=open]').waitFor({ timeout: 20_000 });
    expect(await page.locator('[data-released]').count()).toBe(1);
    await page.getByText('not released').waitFor();
    await window_(page).waitFor({ timeout: 15_000 });
    expect(await window_(page).innerText()).toMatch(/^Your window is open\s+\d:\d\d$/);
    expect(await window_(page).getAttribute('href')).toBe(`/requests/${request}`);
    await screen(page, 'request-window');
    await page.getByRole('button', { name: 'See E-mail' }).click();
    const shown = page.locator('[data-opened]');
    await shown.getByText(EMAIL_AFTER).waitFor({ timeout: 15_000 });
    expect(await shown.locator('[data-mark]').getAttribute('data-mark')).toMatch(/^tom · \d\d:\d\d:\d\d/);
    await screen(page, 'request-view');
    // Not to be selected, copied or printed.
    await page.keyboard.press('Control+a');
    expect(await page.evaluate(() => getSelection()?.toString() ?? '')).not.toContain(EMAIL_AFTER);
    await page.emulateMedia({ media: 'print' });
    expect(await shown.isVisible()).toBe(false);
    await page.emulateMedia({ media: 'screen' });
    await page.evaluate(() => dispatchEvent(new Event('blur')));
    await page.getByText('Wiped: you looked away').waitFor();
    expect(await page.content()).not.toContain(PIECE.email);
    await page.getByRole('button', { name: 'I am done: end it' }).click();
    await expect.poll(() => state(page).getAttribute('data-state'), { timeout: 20_000 }).toBe('closed');
    await page.locator('[data-moment=Seen]').waitFor();
    expect(await page.locator('[data-views]').getAttribute('data-views')).toBe('1');
    expect(await page.locator('[data-views]').innerText()).toBe('1 time');
    await expect.poll(() => window_(page).count(), { timeout: 15_000 }).toBe(0);
  });
  test('the requester’s superior reviews it, in words', async () => {
    const page = await visit(who.max!, '/requests?view=review');
    await page.locator(`[data-request="${request}"]`).click();
    // What the verdict stands on: he reaches the call-back from here, and hears it, and no other call.
    await hear(page, 'was it she who was called back');
    expect((await api(who.max!, 'GET', '/v1/calls')).status).toBe(403);
    await page.goBack();
    await page.getByLabel('Your finding, in a sentence').fill('It was needed, and used for the delivery');
    await page.getByRole('button', { name: 'Sign: reviewed' }).click();
    await page.getByText('Answer both.').waitFor();
    for (const question of ['needed', 'used']) await page.locator(`[data-answer=${question}]`).getByLabel('Yes').check();
    await screen(page, 'request-review');
    await page.getByRole('button', { name: 'Sign: reviewed' }).click();
    await expect.poll(() => state(page).getAttribute('data-state'), { timeout: 20_000 }).toBe('reviewed');
    await page.getByText('It is over. Nobody can do anything more on it.').waitFor();
    expect(await page.locator('[data-found]').innerText()).toBe('needed, used');
    await screen(page, 'request-reviewed');
    // The receipt is of recordings, too: what of the customer's call was erased, and who heard the call-back.
    await visit(who.max!, `/customers/${customer}`);
    await page.getByRole('button', { name: 'Show' }).click();
    await page.locator('[data-receipt]').waitFor();
    const lines = (part: string) => page.locator(`[data-part=${part}] li`).allInnerTexts();
    expect((await lines('recorded')).map((one) => one.replace(/ \d.*/, ''))).toEqual(['your call', 'our call to you']);
    expect((await lines('erased_sound')).join('\n')).toMatch(/the customer’s side \d+:\d\d\.\d – \d+:\d\d\.\d your call .* · the agent was private · keys destroyed/);
    const heard = await lines('heard');
    expect(heard.length).toBe(3);
    for (const one of heard) expect(one).toMatch(/^our call to you .* heard, words read · .*, by person [0-9a-f]{8}$/);
    await screen(page, 'customer-receipt');
  });
});

describe('break-glass', () => {
  test('takes two, is red, and says the alarm; a superior revokes, and what is shown is wiped', async () => {
    const { page } = who.tom!;
    const owner = await visit(who.olga!, '/people');
    expect(await owner.locator('[data-alarm]').count()).toBe(0);
    await visit(who.tom!, `/customers/${customer}?ask=1`);
    await page.getByRole('checkbox', { name: 'E-mail' }).check();
    await page.getByRole('checkbox', { name: 'Name' }).check();
    await page.getByLabel('What is it about').selectOption('safety');
    await page.getByLabel('Your concern').fill('Water runs from the flat above and nobody there answers the door');
    await page.getByRole('button', { name: 'Sign and ask' }).click();
    await page.waitForURL(/\/requests\/[0-9a-f]{32}$/);
    const second = page.url().split('/').at(-1)!;
    for (const [name, button] of [['anna', 'Sign: break glass'], ['abe', 'Sign: break glass, as the second']] as const) {
      const hers = await visit(who[name]!, `/requests/${second}`);
      await hers.locator('[data-glass]').waitFor({ timeout: 15_000 });
      if (name === 'anna') await hers.getByRole('button', { name: 'Break glass…' }).click();
      await hers.getByLabel('What is at stake, in a sentence').fill('Water runs into the flat below');
      await screen(hers, `request-glass-${name}`);
      await hers.getByRole('button', { name: button, exact: true }).click();
      await expect.poll(() => state(hers).getAttribute('data-state'), { timeout: 20_000 }).toBe(name === 'anna' ? 'half_broken' : 'open');
      // The owner is told at each step, wherever she is, until she opens it; a page that is loaded anew says so, too.
      await owner.bringToFront();
      const alarm = owner.locator('[data-alarm]');
      await alarm.getByText(name === 'anna' ? 'one of two has broken it open' : 'it is open now').waitFor({ timeout: 10_000 });
      await screen(owner, `owner-alarm-${name}`);
      expect(await hers.locator('[data-alarm]').count()).toBe(0);
      if (name === 'anna') {
        await alarm.getByRole('link', { name: `Request ${second.slice(0, 8)}` }).click();
        await owner.waitForURL(`**/requests/${second}`);
        await alarm.waitFor({ state: 'detached', timeout: 10_000 });
        await visit(who.olga!, '/people');
        expect(await alarm.count()).toBe(0);
      } else {
        await owner.reload();
        await alarm.waitFor();
        expect((await api(who.olga!, 'GET', '/v1/own/alarms')).json).toMatchObject({ count: 1, alarms: [{ request: second, state: 'open' }] });
      }
    }
    await page.bringToFront();
    // A name that is markup is the text that was typed, to the letter.
    await page.getByRole('button', { name: 'See Name' }).click({ timeout: 20_000 });
    await page.locator('[data-opened]').getByText(PLANTED.name, { exact: true }).waitFor({ timeout: 15_000 });
    await screen(page, 'request-markup');
    expect(await page.content()).toContain(PIECE.name);
    await page.getByRole('button', { name: 'Hide' }).click();
    expect(await page.content()).not.toContain(PIECE.name);
    await page.getByRole('button', { name: 'See E-mail' }).click({ timeout: 20_000 });
    await page.locator('[data-opened]').getByText(EMAIL_AFTER).waitFor({ timeout: 15_000 });
    const lead = await visit(who.max!, `/requests/${second}`);
    await lead.getByLabel('Why, in a sentence').fill('The tap was closed, nobody needs it now');
    await lead.getByRole('button', { name: 'Sign: revoke' }).click();
    await expect.poll(() => state(lead).getAttribute('data-state'), { timeout: 20_000 }).toBe('revoked');
    await expect.poll(() => page.content(), { timeout: 15_000 }).not.toContain(PIECE.email);
    expect(await page.locator('[data-opened]').count()).toBe(0);
    await screen(page, 'request-revoked');
    // Who revoked it is told why they do not review it, and is not asked to; an owner is.
    await lead.bringToFront();
    await expect.poll(() => lead.locator('[data-next=review]').getAttribute('data-me'), { timeout: 15_000 }).toBe('no');
    expect(await lead.locator('[data-next=review]').innerText()).toContain('You have taken a step on it already');
    expect(await lead.getByRole('button', { name: 'Sign: reviewed' }).count()).toBe(0);
    expect(await waiting(lead).count()).toBe(0);
    await screen(lead, 'request-revoked-by-me');
    await owner.bringToFront();
    await expect.poll(() => waiting(owner).getAttribute('title'), { timeout: 45_000 }).toBe('1 to review');
  });
});

describe('a customer rings and asks what is kept of them', () => {
  // From the desk, for somebody who is on the line: the number looked up, one of those who have it picked.
  async function askOwnData(page: Page, of: string): Promise<string> {
    await page.getByLabel('Value').fill('+49 (0)1511 2345678');
    await page.getByRole('button', { name: 'Look up' }).click();
    await page.locator(`[data-found="${of}"]`).getByRole('link', { name: 'Asks what is kept…' }).click();
    await page.getByRole('heading', { name: 'The customer asks what is kept of them' }).waitFor();
    expect(await page.getByRole('checkbox').count()).toBe(0);
    await page.getByLabel('Your concern').fill('She rang and wants to know which of her data we still keep');
    await screen(page, 'ask-own-data');
    await page.getByRole('button', { name: 'Sign and have them called back' }).click();
    await page.waitForURL(/\/requests\/[0-9a-f]{32}$/);
    return page.url().split('/').at(-1)!;
  }
  const receiptFor = async (name: string, of: string) => (await api(who[name]!, 'GET', `/v1/requests/${of}/receipt`)).status;

  test('who knows only what was changed as lately as the number is not taken for the customer', async () => {
    const page = await visit(who.ada!, '/desk');
    const own = await askOwnData(page, customer);
    await page.getByText('You are told here whether it was the customer.').waitFor();
    expect(await receiptFor('ada', own)).toBe(409);
    const expert = await visit(who.eve!, `/requests/${own}`);
    const { check, compare, hangUp } = await callBack(expert);
    for (const [id, said] of [['name', PLANTED.name], ['service_word', PLANTED.service_word]] as const) {
      await compare(id, said);
      await check(id).getByText('passed').waitFor();
    }
    // Nobody releases after this: one check more than usual, and of what was there before the number changed.
    await expert.getByText('2 of 3 passed').first().waitFor();
    await compare('email', EMAIL_AFTER);
    await check('email').getByText('the number was changed lately, and this was stored as lately').waitFor();
    await screen(expert, 'own-data-young');
    await hangUp();
    expect(await expert.getByRole('button', { name: 'Sign: passed' }).isDisabled()).toBe(true);
    await expert.getByText('It does not hold').click();
    await expert.getByLabel('What is wrong').fill('Two things fit, and a third that is old enough is not there');
    await expert.getByRole('button', { name: 'Sign: failed' }).click();
    await expect.poll(() => state(expert).getAttribute('data-state'), { timeout: 20_000 }).toBe('refused');
    await page.bringToFront();
    await expect.poll(() => state(page).getAttribute('data-state'), { timeout: 20_000 }).toBe('refused');
    await screen(page, 'own-data-refused');
    expect(await page.locator('[data-receipt]').count()).toBe(0);
    expect(await receiptFor('ada', own)).toBe(409);
  }, 3 * MINUTE);

  test('the same verification; the agent learns whether it is the customer, hands over the receipt, and sees no value', async () => {
    // A second one at the same number, which was never changed.
    const page = await visit(who.ada!, '/desk');
    await type(page, DORA);
    await page.locator('[data-chip=service_word]').waitFor();
    const dora = (await page.getByRole('link', { name: 'What is kept' }).getAttribute('href'))!.split('/').at(-1)!;
    await page.getByRole('button', { name: 'Start over' }).click();
    const own = await askOwnData(page, dora);

    const expert = await visit(who.eve!, `/requests/${own}`);
    const { check, compare, hangUp } = await callBack(expert);
    for (const id of ['name', 'service_word'] as const) {
      await compare(id, DORA[id]);
      await check(id).getByText('passed').waitFor();
    }
    await expert.getByText('2 of 2 passed').first().waitFor();
    await hangUp();
    await expert.getByLabel('Is the request genuine?').fill('It is genuine, she asked for it herself');
    await expert.getByLabel('Is it the right person?').fill('It is her number and her service word');
    await expert.getByLabel('Does the customer agree?').fill('She asked for it and waits for it');
    await expert.getByRole('button', { name: 'Sign: passed' }).click();
    await expect.poll(() => state(expert).getAttribute('data-state'), { timeout: 20_000 }).toBe('confirmed');

    await page.bringToFront();
    await page.getByRole('heading', { name: 'It is the customer' }).waitFor({ timeout: 20_000 });
    await page.getByRole('button', { name: 'Show', exact: true }).click();
    await page.locator('[data-receipt]').getByText('Service word').first().waitFor();
    await screen(page, 'request-confirmed');
    expect(await receiptFor('eve', own)).toBe(403);
    const authorised = await visit(who.anna!, `/requests/${own}`);
    await authorised.getByText('What happened').waitFor();
    expect(await authorised.getByRole('button', { name: /release|break/i }).count()).toBe(0);
    await page.bringToFront();
    await page.getByRole('button', { name: 'I am done: end it' }).click();
    await expect.poll(() => state(page).getAttribute('data-state'), { timeout: 20_000 }).toBe('closed');
    expect(await receiptFor('ada', own)).toBe(409);
  }, 3 * MINUTE);
});

describe('retention', () => {
  test('an owner counts what would go by when, by the policy in force or another; nothing changes', async () => {
    const page = await visit(who.olga!, '/system');
    await page.getByRole('link', { name: 'Customers’ fields: how far, dry runs' }).click();
    await page.waitForURL('**/system/retention');
    await page.getByText('Nothing is due').waitFor();
    await page.getByRole('button', { name: 'Count by the policy in force' }).click();
    await page.getByText('reference 365 days, contact 30 days, secrets 24 hours').waitFor({ timeout: 15_000 });
    const row = (kind: string) => page.getByRole('row').filter({ has: page.getByRole('cell', { name: kind, exact: true }) });
    await row('name').waitFor();
    await screen(page, 'retention-dry-run');
    const short = '[company]\nname = "A"\ncontact = "b@c.example"\n[keep]\nsecret_hours = 1\nreference_days = 3000\n[[field]]\nid = "phone"\nlabel = "P"\nkind = "phone"\nrequired = true\n';
    await page.locator('input[type=file]').setInputFiles({ name: 'shorter.toml', mimeType: 'text/plain', buffer: Buffer.from(short) });
    await page.getByRole('button', { name: 'Count by this file' }).click();
    await page.getByText('shorter.toml').waitFor({ timeout: 15_000 });
    await page.getByText('keep.reference_days goes from 365 to 3000').waitFor();
    await screen(page, 'retention-another-policy');
    expect((await api(who.max!, 'GET', '/v1/system/retention/fields')).status).toBe(403);
    expect(await page.content()).not.toContain(PIECE.email);
  });
  test('a stricter policy takes nothing that is stored until an owner has signed it', async () => {
    const text = readFileSync(served.policy, 'utf8');
    writeFileSync(served.policy, text.replace('[keep]\n', '[keep]\nreference_days = 20\ncontact_days = 3\n'));
    await served.cli('restart', 'keeper');
    const page = await visit(who.olga!, '/system');
    const alarm = page.locator('[data-retention-alarm]');
    await alarm.getByText('the policy states fewer days: an owner confirms them').waitFor({ timeout: 30_000 });
    await page.getByText('Retention of customers’ fields waits for an owner’s word.').waitFor({ timeout: 15_000 });
    await alarm.getByRole('link').click();
    await page.getByText('Nothing would go at once: 0 customers.').waitFor({ timeout: 90_000 });
    await page.getByText('In force for what is stored').waitFor();
    await page.getByText('reference 365 days, contact 30 days', { exact: true }).waitFor();
    await page.getByLabel('The number of customers, typed').fill('7');
    await page.getByRole('button', { name: 'Sign with a passkey' }).click();
    await page.getByText('Type the number that is said above: 0.').waitFor();
    await page.getByText('Say why, in a few words.').waitFor();
    await screen(page, 'retention-waits');
    // From the command line: what it is of stands in the link, and an owner signs it.
    const { said, done } = await served.waiting(/\s(https:\S+)\n/, 'retention', 'fields', 'confirm', '--customers', '0', '--reason', 'the new contract & its annex');
    await page.goto(said[1]!);
    await expect.poll(() => page.getByLabel('Why, for whoever asks later').inputValue().catch(() => ''), { timeout: 15_000 }).toBe('the new contract & its annex');
    expect(page.url()).not.toContain('contract');
    await page.getByRole('button', { name: 'Sign with a passkey' }).click();
    await page.getByText('Signed, and in the log.').waitFor({ timeout: 20_000 });
    await page.getByText('reference 20 days, contact 3 days', { exact: true }).waitFor();
    expect((await done).code).toBe(0);
    await screen(page, 'retention-confirmed');
    await expect.poll(() => alarm.count(), { timeout: 20_000 }).toBe(0);
  });
  test('one says oneself where one is reminded', async () => {
    const page = await visit(who.anna!, '/me');
    await page.getByLabel('Address').fill('anna at nowhere');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByText('not an e-mail address').waitFor();
    await page.getByLabel('Address').fill('anna@staff.example');
    await page.getByRole('button', { name: 'Save', exact: true }).click();
    await page.getByText('Saved.').waitFor();
    await screen(page, 'me-mail');
    const hers = await visit(who.olga!, `/people/${await idOf(who.olga!, 'anna')}`);
    await expect.poll(() => hers.getByLabel('Address').inputValue()).toBe('anna@staff.example');
    // An owner is alarmed there: the passkey signs whose it is and which.
    const olgas = await visit(who.olga!, '/me');
    await olgas.getByLabel('Address').fill('olga@staff.example');
    await olgas.getByRole('button', { name: 'Save', exact: true }).click();
    await olgas.getByText('Saved.').waitFor({ timeout: 15_000 });
    expect((await api<{ address: string }>(who.olga!, 'GET', '/v1/own/mail')).json.address).toBe('olga@staff.example');
  });
});

describe('afterwards', () => {
  test('nothing that was typed became markup, in whatever page it was shown; the watch would have told', async () => {
    // Each story has looked for complaints at its end. Where a page does make markup of it, it comes and runs:
    const person = who.tom!;
    expect(person.complaints).toEqual([]);
    const careless = await person.context.newPage();
    for (const text of [PLANTED.name, PLANTED.query]) await careless.evaluate((html) => void (document.body.innerHTML += html), text);
    await expect.poll(() => person.complaints.filter((one) => one.startsWith('markup came')).length).toBeGreaterThanOrEqual(2);
    await expect.poll(() => person.complaints.filter((one) => one === 'markup ran').length).toBeGreaterThanOrEqual(2);
    await careless.close();
    person.complaints.length = 0;
  });
  test('no page, storage, cache, history or wire holds what was typed or seen', async () => {
    for (const name of Object.keys(traffic)) {
      await holdsNothing(name);
      // Nothing that the API says may be kept by a cache.
      for (const answer of traffic[name]!.filter((one) => /^https:\S+\/v1\//.test(one)))
        expect(answer.slice(0, 2_000), name).toContain('"cache-control":"no-store"');
    }
  });
  test('the log checks and verifies', async () => {
    const checked = await served.cli('log', 'check', '--json');
    expect(checked).toContain('"findings":[]');
    await served.cli('log', 'verify');
  });
});
