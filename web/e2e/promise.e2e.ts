// The promise as a whole, in the order in which it is kept: a call is recorded while its agent types; a password that was spoken
// and typed is gone from the sound and from the vault; later somebody needs what is kept, and gets one field of it, for a minute,
// by way of concern, call-back, checks and release. Then strangers' tools and our own judge the log.
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { screen, serve, type Served } from './harness';
import { backToDecide, heard, readAndHear } from './hearing';
import { api, company, found, hire, idOf, visit, type Company, type Person } from './people';
import { callBacks, outside, type Outside } from './outside';

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');
const binary = resolve(here, '..', process.env.CALLWARD_BINARY ?? '../build/release/callward');
const siprecClient = process.env.CALLWARD_SIPREC_CLIENT ?? join(dirname(binary), 'siprec-client');
const fsck = join(root, 'build/interop/fsck');

const NUMBER = '+4915112345678';
const RTP = 46_000 + (process.pid % 40) * 40;
const MINUTE = 60_000;
const PASSWORD = 'Sunshine42';
const SPOKEN = 'sunshine, four, two';
const TYPED = { name: 'Carla Novak', phone: '+49 1511 2345678', query: 'The printer finds no network since Tuesday', email: 'carla@mail.example', password: PASSWORD };
const EMAIL_LATER = 'carla.novak@post.example';
const CONCERN = 'The replacement printer was sent back and the customer waits for a new delivery note';

// Nobody asks for the first one, and nobody says what it is: that it is a password the listener knows from what was typed. The
// second one is asked for.
const CALL = {
  spoken: {
    direction: 'in',
    turns: [
      ['agent', 'Thank you for calling the support desk. How can I help you today?', null, 0.6],
      ['customer', 'Hello. My printer does not connect to the wireless network any more.', null, 0.8],
      ['customer', 'There is a yellow note on the side. The note says', null, 2.0],
      ['customer', `${SPOKEN}.`, 'password', 0.3],
      ['agent', 'I am sorry to hear that. I will set it up again for you. Please give me a moment.', null, 2.0],
      ['agent', 'What is the password of your account?', null, 18.0],
      ['customer', 'It is one six zero three three one.', 'password', 1.0],
      ['agent', 'Thank you. Please switch the printer off, and then on again.', null, 1.2],
      ['customer', 'Now it prints the page. Thank you very much for your help.', null, 4.0],
      ['agent', 'You are welcome. Have a nice day.', null, 0.8],
    ],
    dtmf: [],
  },
};
interface Turn {
  who: string;
  text: string;
  secret: string | null;
  start_ms: number;
  end_ms: number;
}
interface Interval {
  stream: string;
  start_ms: number;
  end_ms: number;
  state: string;
  reason: string;
}

let served: Served;
let all: Company;
let world: Outside;
let client: ChildProcess | null = null;
const who: Record<string, Person> = {};
let turns: Turn[] = [];
let customer = '';
let call = '';
let request = '';

const state = (person: Person) => person.page.locator('main header [data-state]').first().getAttribute('data-state');
const reaches = (person: Person, what: string, timeout = 20_000) => expect.poll(() => state(person), { timeout }).toBe(what);

// The time of a stretch of one side that is in this state.
async function covered(of: string, turn: Turn, stream: string): Promise<number> {
  const { intervals } = JSON.parse(await served.cli('account', call, '--json')) as { intervals: Interval[] };
  return intervals
    .filter((one) => one.stream === stream && one.state === of)
    .reduce((sum, one) => sum + Math.max(0, Math.min(one.end_ms, turn.end_ms) - Math.max(one.start_ms, turn.start_ms)), 0);
}
// Every byte of the log's folder.
function logText(): string {
  const folder = join(dirname(served.config), 'log');
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => readFileSync(join(one.parentPath, one.name), 'latin1'))
    .join('\n');
}

beforeAll(async () => {
  if (!existsSync(siprecClient)) throw new Error(`the recording client is not built: ${siprecClient}`);
  world = outside();
  const telephony = await callBacks(world, '7001', NUMBER, RTP);
  const mail = await world.tell<{ port: number }>({ do: 'mail' });
  served = await serve('chart', {
    ...telephony,
    courier: `smtp_url = "smtp://127.0.0.1:${mail.port}"\nmail_from = "callward@support.example"`,
  });
  const texts = join(served.calls, 'texts.json');
  writeFileSync(texts, JSON.stringify(CALL));
  await run('python3', [join(root, 'tools/demo/make_calls.py'), served.calls, '--texts', texts]);
  turns = (JSON.parse(readFileSync(join(served.calls, 'spoken.json'), 'utf8')) as { turns: Turn[] }).turns;
  all = await company(served);
  const olga = (who.olga = await found(all));
  const max = (who.max = await hire(all, olga, 'max', { roles: ['supervisor'] }));
  who.rita = await hire(all, olga, 'rita', { roles: ['reviewer'], second: max });
  who.ada = await hire(all, olga, 'ada', { roles: ['agent'], answersTo: 'max', extension: '701' });
  who.tom = await hire(all, olga, 'tom', { roles: ['technician'], answersTo: 'max' });
  who.eve = await hire(all, olga, 'eve', { roles: ['expert'], extension: '7001', second: max });
  who.anna = await hire(all, olga, 'anna', { roles: ['authorised'], second: max });
}, 5 * MINUTE);
afterAll(async () => {
  client?.kill();
  await all?.stop();
  await served?.stop();
  await world?.stop();
});
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') await all.picture(task.name);
  expect(all.complaints()).toEqual([]);
});

async function typed(person: Person, values: Record<string, string>): Promise<void> {
  for (const [id, value] of Object.entries(values)) await person.page.locator(`input[data-field="${id}"]`).fill(value);
  await person.page.getByRole('button', { name: 'Store', exact: true }).click();
}

describe('the call', () => {
  test('is recorded; what its agent types meanwhile is sealed', async () => {
    const page = await visit(who.ada!, '/desk');
    await page.locator('[data-lamp=none]').waitFor();
    const address = served.sip.split('sip:').at(-1)!.split(';')[0]!;
    client = spawn(siprecClient, [
      '--server', address, '--transport', 'tcp', '--customer', `sip:${NUMBER}@carrier.example`, '--agent', 'sip:701@pbx.example', join(served.calls, 'spoken.wav'),
    ], { stdio: 'ignore' });
    await page.locator('[data-lamp=recording]').waitFor({ timeout: 15_000 });
    await page.getByLabel('Value').fill(TYPED.phone);
    await page.getByRole('button', { name: 'Look up' }).click();
    await page.getByText('Nobody has this value').waitFor();
    await typed(who.ada!, TYPED);
    await page.getByText('Stored in C-1.').waitFor();
    await page.locator('[data-chip=password]').waitFor();
    customer = (await page.getByRole('link', { name: 'What is kept' }).getAttribute('href'))!.split('/').at(-1)!;
    await page.getByLabel('Technician').selectOption(await idOf(who.olga!, 'tom'));
    await page.getByText('Given.').waitFor();
    const ended = new Promise((done) => client!.once('exit', done));
    await page.getByText('on the line').waitFor();
    await page.locator('[data-over]').waitFor({ timeout: 2 * MINUTE });
    await expect.poll(() => page.getByText('on the line').count()).toBe(0);
    await ended;
    const calls = JSON.parse(await served.cli('calls', '--json')) as { id: string }[];
    expect(calls.length).toBe(1);
    call = calls[0]!.id;
  }, 4 * MINUTE);
  test('the password is gone from wherever it was spoken, and all else is there', async () => {
    const secret = turns.filter((one) => one.secret !== null);
    expect(secret.length).toBe(2);
    for (const turn of secret)
      await expect.poll(() => covered('erased', turn, turn.who), { timeout: 2 * MINUTE, interval: 2_000 }).toBeGreaterThan(0.9 * (turn.end_ms - turn.start_ms));
    for (const turn of turns.filter((one) => one.secret === null))
      expect(await covered('erased', turn, turn.who), turn.text).toBeLessThan(0.25 * (turn.end_ms - turn.start_ms));
  }, 4 * MINUTE);
});

describe('afterwards', () => {
  test('who reviews the call hears speech, and a soft tone where the password was; its words are nowhere', async () => {
    const page = await visit(who.rita!, `/calls/${call}`);
    await page.getByLabel('Reason').first().fill('story: is the password gone');
    await expect.poll(async () => {
      await page.getByRole('button', { name: 'Open', exact: true }).click({ timeout: 2_000 }).catch(() => {});
      return page.getByText('Opened for:').isVisible();
    }, { timeout: MINUTE, interval: 2_000 }).toBe(true);
    const words = (await page.getByRole('list', { name: 'Transcript' }).innerText()).toLowerCase();
    expect(words).toMatch(/printer|network|wireless/);
    expect(words).not.toMatch(/sunshine|one six|three one|1603/);
    const [asked, said] = [turns[0]!, turns.find((one) => one.secret !== null)!];
    expect(await heard(page, asked.start_ms + 500, 1_500)).toBeGreaterThan(0.05);
    const tone = await heard(page, said.start_ms + 100, 400);
    expect(tone).toBeGreaterThan(0.005);
    expect(tone).toBeLessThan(0.05);
    await screen(page, 'promise-call');
  });
  test('the technician does the work and the agent closes the case: the typed password is gone, too', async () => {
    const toms = await visit(who.tom!, '/desk');
    await toms.getByRole('button', { name: 'Read the query' }).click({ timeout: 30_000 });
    await toms.getByText(TYPED.query).waitFor();
    const page = await visit(who.ada!, '/desk');
    await page.getByRole('button', { name: /^Go on: C-1/ }).click();
    await page.getByRole('button', { name: 'Close the case' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Close the case' }).click();
    await page.getByText('No open case of yours.').waitFor({ timeout: 20_000 });
    const lead = await visit(who.max!, `/customers/${customer}`);
    await lead.locator('tr[data-field=email][data-state=compare_only]').waitFor({ timeout: 20_000 });
    await expect.poll(async () => {
      await lead.reload();
      await lead.locator('tr[data-field=name]').waitFor();
      return lead.locator('tr[data-field=password][data-state=readable]').count();
    }, { timeout: 20_000 }).toBe(0);
    await lead.getByRole('button', { name: 'Show' }).click();
    await lead.locator('[data-receipt]').waitFor();
    await screen(lead, 'promise-customer');
  });
  test('weeks later the customer is back: a new case with what it needs', async () => {
    const page = await visit(who.ada!, '/desk');
    await page.getByLabel('Value').fill(TYPED.phone);
    await page.getByRole('button', { name: 'Look up' }).click();
    await page.getByText('Known customer').waitFor();
    await page.getByRole('button', { name: 'New case' }).click();
    await typed(who.ada!, { query: 'A delivery note is missing', email: EMAIL_LATER });
    await page.getByText('Stored in C-2.').waitFor();
    await page.getByLabel('Technician').selectOption(await idOf(who.olga!, 'tom'));
    await page.getByText('Given.').waitFor();
  });
});

describe('a request for what is kept', () => {
  test('says its concern; an expert on duty gets it', async () => {
    expect((await api(who.eve!, 'POST', '/v1/own/duty', { on: true })).status).toBe(200);
    const page = await visit(who.tom!, `/customers/${customer}?ask=2`);
    await page.getByRole('checkbox', { name: 'E-mail' }).check();
    await page.getByRole('checkbox', { name: 'Name' }).check();
    await page.getByLabel('Your concern').fill(CONCERN);
    await page.getByRole('button', { name: 'Sign and ask' }).click();
    await page.waitForURL(/\/requests\/[0-9a-f]{32}$/);
    request = page.url().split('/').at(-1)!;
    await reaches(who.tom!, 'assigned');
  });
  test('the customer is rung back and reads out a code that came by mail', async () => {
    const page = await visit(who.eve!, `/requests/${request}`);
    await page.getByRole('button', { name: 'Call the customer back' }).click();
    await page.locator('[data-call=talking]').waitFor({ timeout: 30_000 });
    const talking = Date.now();
    await page.locator('[data-check=name]').getByRole('textbox').fill('carla  novak');
    await page.locator('[data-check=name]').getByRole('button').click();
    await page.locator('[data-check=name]').getByText('passed').waitFor();
    await page.getByRole('button', { name: 'Send a code by E-mail' }).click();
    await page.getByText('The code is on its way.').waitFor();
    const mails = async () => (await world.tell<{ mails: { to: string[]; text: string }[] }>({ do: 'mails' })).mails;
    await expect.poll(async () => (await mails()).length, { timeout: 30_000 }).toBe(1);
    const [mail] = await mails();
    expect(mail!.to).toEqual([EMAIL_LATER]);
    const code = /\b\d{8}\b/.exec(mail!.text)![0];
    const said = page.getByLabel('Code, as the customer reads it');
    await said.fill(code === '12345678' ? '87654321' : '12345678');
    await page.getByRole('button', { name: 'Compare: One-time code' }).click();
    await page.getByText('does not fit').waitFor();
    await said.fill(code);
    await page.getByRole('button', { name: 'Compare: One-time code' }).click();
    await page.locator('.code').getByText('passed').waitFor();
    await screen(page, 'promise-code');
    await page.waitForTimeout(Math.max(0, 33_000 - (Date.now() - talking)));
    await world.tell({ do: 'hang_up', name: '7001' });
    await page.locator('[data-call=over]').waitFor({ timeout: 20_000 });
    await page.getByText(/Talked for \d+ s, recorded\./).waitFor();
    await page.getByLabel('Is the request genuine?').fill('It is genuine, she told of the printer herself');
    await page.getByLabel('Is it the right person?').fill('It is her own number and she read out the code');
    await page.getByLabel('Does the customer agree?').fill('She agrees and asks for it to be quick');
    await page.getByRole('button', { name: 'Sign: passed' }).click();
    await reaches(who.eve!, 'verified');
    expect((await world.tell<{ count: number }>({ do: 'seen', name: '7001', text: NUMBER.slice(1) })).count).toBe(0);
  }, 3 * MINUTE);
  test('one field is released, for a minute; it is seen once, and then the time is over', async () => {
    const page = await visit(who.anna!, `/requests/${request}`);
    await readAndHear(page, CONCERN);
    await backToDecide(page);
    await page.getByRole('checkbox', { name: 'Name' }).uncheck();
    await page.getByLabel('Open for').fill('1');
    await page.getByRole('button', { name: 'Sign: release' }).click();
    await reaches(who.anna!, 'open');
    const toms = await visit(who.tom!, `/requests/${request}`);
    await toms.locator('[data-window=open]').waitFor({ timeout: 20_000 });
    expect(await toms.locator('[data-released]').count()).toBe(1);
    await toms.getByRole('button', { name: 'See E-mail' }).click();
    await toms.locator('[data-opened]').getByText(EMAIL_LATER).waitFor({ timeout: 15_000 });
    await reaches(who.tom!, 'expired', 2 * MINUTE);
    expect(await toms.content()).not.toContain(EMAIL_LATER);
    expect(await toms.getByRole('button', { name: 'See E-mail' }).count()).toBe(0);
    await screen(toms, 'promise-expired');
  }, 4 * MINUTE);
  test('the superior reviews it', async () => {
    const page = await visit(who.max!, '/requests?view=review');
    await page.locator(`[data-request="${request}"]`).click();
    await page.getByLabel('Your finding, in a sentence').fill('It was needed, and used for the delivery');
    for (const question of ['needed', 'used']) await page.locator(`[data-answer=${question}]`).getByLabel('Yes').check();
    await page.getByRole('button', { name: 'Sign: reviewed' }).click();
    await reaches(who.max!, 'reviewed');
  });
});

describe('the log', () => {
  test('says all of it and nothing of what was said; checks and verifies, by our tool and by a stranger’s', async () => {
    const text = logText();
    for (const word of ['"fields_stored"', '"typed_secret"', '"case_closed"', '"check_made"', '"review"']) expect(text.includes(word), word).toBe(true);
    for (const phrase of [PASSWORD, TYPED.name, 'mail.example', EMAIL_LATER, NUMBER, 'printer']) expect(text.includes(phrase), phrase).toBe(false);
    expect(await served.cli('log', 'check', '--json')).toContain('"findings":[]');
    await served.cli('log', 'verify');
    const folder = join(dirname(served.config), 'log');
    const judged = await run(fsck, [`--storage_url=file://${folder}/`, `--public_key=${folder}/public.key`, '--ui=false', '-N=4', '--logtostderr']);
    expect(judged.stderr).toContain("Successfully fsck'd log");
  });
});
