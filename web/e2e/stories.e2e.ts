// The console's stories in a real browser against a real server, in the order in which a person would meet them.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { heard, inked, positionMs, seek } from './hearing';
import { browse, PASSPHRASE, printed, screen, serve, type Browser, type Served } from './harness';

let served: Served;
let browser: Browser;
const imported: Record<string, string> = {};

interface Interval {
  stream: string;
  start_ms: number;
  end_ms: number;
  state: string;
  reason: string;
}
const accountOf = async (call: string): Promise<Interval[]> =>
  (JSON.parse(await served.cli('account', call, '--json')) as { intervals: Interval[] }).intervals;
async function take(name: string, direction: string): Promise<string> {
  const out = await served.cli('import', join(served.calls, `${name}.wav`), '--wait', '--json', '--direction', direction);
  imported[name] = (JSON.parse(out) as { call: string }[])[0]!.call;
  return imported[name];
}

beforeAll(async () => {
  served = await serve();
  browser = await browse(served.url);
});
afterAll(async () => {
  await browser?.stop();
  await served?.stop();
});
afterEach(() => {
  expect(browser.complaints).toEqual([]);
});

describe('sign-in', () => {
  test('a wrong passphrase is told, then slowed down; the right one leads to the address that was wanted', async () => {
    const { page } = browser;
    await page.goto('/log');
    await page.waitForURL(/\/sign-in\?to=%2Flog/);
    await screen(page, 'sign-in');
    await page.getByLabel('Name').fill('owner');
    const tries = async (passphrase: string): Promise<string> => {
      await page.getByLabel('Passphrase').fill(passphrase);
      await page.getByRole('button', { name: 'Sign in' }).click();
      return page.getByRole('alert').innerText();
    };
    expect(await tries('not the passphrase at all')).toContain('wrong');
    await expect.poll(async () => tries('not the passphrase again'), { timeout: 10_000, interval: 100 }).toMatch(/Slowed down.*wait \d+ s/);
    await expect.poll(async () => {
      await page.getByLabel('Passphrase').fill(PASSPHRASE);
      await page.getByRole('button', { name: 'Sign in' }).click();
      await page.waitForTimeout(600);
      return new URL(page.url()).pathname;
    }, { timeout: 60_000, interval: 2_000 }).toBe('/log');
  });
});

describe('calls', () => {
  test('the empty list says what to do; a call appears by itself; the next one waits behind "1 new"', async () => {
    const { page } = browser;
    await page.goto('/');
    await page.getByText('No calls yet').waitFor();
    await screen(page, 'calls-empty');
    await take('incoming_password', 'incoming');
    const rows = page.locator('tbody tr');
    await expect.poll(() => rows.count()).toBe(1);
    const second = take('outgoing_plain', 'outgoing');
    await page.getByRole('button', { name: 'Show 1 new call' }).waitFor({ timeout: 60_000 });
    expect(await rows.count()).toBe(1);
    await page.getByRole('button', { name: 'Show 1 new call' }).click();
    expect(await rows.count()).toBe(2);
    await second;
    await expect.poll(() => rows.locator('.chip', { hasText: 'complete' }).count(), { timeout: 30_000 }).toBe(2);
    await screen(page, 'calls');
  });
  test('filters stand in the address; J, K and Enter; Ctrl-K; CSV', async () => {
    const { page } = browser;
    await page.getByLabel('Direction').selectOption('outgoing');
    expect(page.url()).toContain('direction=outgoing');
    await expect.poll(() => page.locator('tbody tr').count()).toBe(1);
    await page.goBack();
    await expect.poll(() => page.locator('tbody tr').count()).toBe(2);
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export the calls' }).click();
    const csv = readFileSync(await (await download).path(), 'utf8');
    expect(csv.split('\r\n')[0]).toContain('id,started_at');
    expect(csv).toContain(imported.incoming_password!);
    await page.keyboard.press('Control+k');
    await page.getByRole('combobox', { name: 'Go to' }).fill('sys');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/system');
    await page.goBack();
    await page.locator('tbody tr').nth(1).waitFor();
    await page.keyboard.press('j');
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/calls/${imported.incoming_password}`);
  });
});

describe('the call', () => {
  test('opens for a reason only; then waveform, words and sound are there, and what is erased is not', async () => {
    const { page } = browser;
    const call = imported.incoming_password!;
    const secret = (await accountOf(call)).find((one) => one.state === 'erased' && one.stream === 'customer')!;
    expect(secret).toBeDefined();
    await page.goto(`/calls/${call}`);
    expect(await page.getByRole('button', { name: 'Play', exact: true }).isDisabled()).toBe(true);
    await screen(page, 'call-closed');
    await page.getByLabel('Reason').first().fill('story: what was said about the printer');
    await page.getByRole('button', { name: 'Open', exact: true }).click();
    await page.getByText('Opened for:').waitFor({ timeout: 20_000 });
    // The agent's first turn is drawn; the erased range is hatched from top to bottom.
    await expect.poll(() => inked(page, 1, 1_000, 3_000)).toBeGreaterThan(0.08);
    await expect.poll(() => inked(page, 0, secret.start_ms + 200, secret.end_ms - 200)).toBeGreaterThan(0.9);
    const words = await page.getByRole('list', { name: 'Transcript' }).innerText();
    expect(words.toLowerCase()).toMatch(/printer|network|wireless/);
    expect(words).toContain('erased: password');
    expect(words.toLowerCase()).not.toMatch(/seven|four nine/);
    await screen(page, 'call');
    // Speech sounds; in the erased range there is a soft tone, and no more.
    expect(await heard(page, 1_200, 1_500)).toBeGreaterThan(0.05);
    const middle = (secret.start_ms + secret.end_ms) / 2 - 700;
    const tone = await heard(page, middle, 500);
    expect(tone).toBeGreaterThan(0.005);
    expect(tone).toBeLessThan(0.05);
  });
  test('the transcript goes in step; keys and speed work', async () => {
    const { page } = browser;
    await seek(page, 0);
    await page.getByLabel('Speed').selectOption('2');
    await page.locator('h1').click();
    await page.keyboard.press(' ');
    const started = Date.now();
    await expect.poll(() => positionMs(page), { timeout: 20_000 }).toBeGreaterThan(3_000);
    expect(Date.now() - started).toBeLessThan(3_000);
    expect(await page.locator('[aria-current=true] .now').count()).toBeGreaterThan(0);
    await page.keyboard.press(' ');
    const at = await positionMs(page);
    await page.keyboard.press('ArrowLeft');
    expect(await positionMs(page)).toBeLessThanOrEqual(Math.max(0, at - 4_900));
    await page.getByLabel('Speed').selectOption('1');
  });
  test('a range is marked, confirmed and erased for ever', async () => {
    const { page } = browser;
    const call = imported.incoming_password!;
    const box = (await page.locator('.lanes').boundingBox())!;
    const total = Number(await page.getByRole('slider', { name: 'Position' }).getAttribute('max'));
    const x = (ms: number): number => box.x + (ms / total) * box.width;
    await page.mouse.move(x(1_200), box.y + 30);
    await page.mouse.down();
    await page.mouse.move(x(2_500), box.y + 30, { steps: 6 });
    await page.mouse.up();
    await page.getByLabel('From (seconds)').fill('1.2');
    await page.getByLabel('To (seconds)').fill('2.6');
    await page.getByLabel('Side').selectOption('agent');
    await page.getByLabel('What is it').selectOption('reviewer');
    await page.getByLabel('Why, in words').fill('story: the agent gave a private detail');
    await screen(page, 'call-erase');
    await page.getByRole('button', { name: 'Erase…' }).click();
    await page.getByText('This cannot be undone').waitFor();
    await page.getByRole('button', { name: 'Erase for ever' }).click();
    await page.locator('[data-outcome=erased]').waitFor({ timeout: 15_000 });
    const erased = (await accountOf(call)).find((one) => one.state === 'erased' && one.stream === 'agent' && one.start_ms <= 1_200);
    expect(erased).toMatchObject({ start_ms: 1_200, end_ms: 2_600, reason: 'reviewer' });
    // The keeper gives no key of it to anybody.
    const states = await page.evaluate(async (id) => {
      const response = await fetch(`/v1/calls/${id}/openings`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', 'X-Callward': '1' },
        body: JSON.stringify({ kinds: ['audio'], stream: 1, start_ms: 1200, end_ms: 2600, reader_key: btoa('k'.repeat(32)), purpose: 'play', reason: 'story' }),
      });
      const { records } = (await response.json()) as { records: { state: string }[] };
      return records.map((record) => record.state);
    }, call);
    expect(states.length).toBe(14);
    expect(new Set(states)).toEqual(new Set(['erased']));
    await expect.poll(() => inked(page, 1, 1_300, 2_500)).toBeGreaterThan(0.9);
    const tone = await heard(page, 1_300, 600);
    expect(tone).toBeGreaterThan(0.005);
    expect(tone).toBeLessThan(0.05);
    await screen(page, 'call-erased');
  });
});

describe('proof of erasure', () => {
  test('is made, checked in the browser, kept as a file that the command line believes, and printed', async () => {
    const { page } = browser;
    const call = imported.incoming_password!;
    await page.goto(`/calls/${call}`);
    await page.getByRole('link', { name: 'Proof of erasure' }).click();
    await page.waitForURL(`**/calls/${call}/proof`);
    await page.getByRole('button', { name: 'Make a proof and check it' }).click();
    await page.locator('[data-holds=true]').waitFor({ timeout: 30_000 });
    const rows = page.getByRole('region', { name: 'What was erased' }).locator('tbody tr');
    const texts = (await rows.allInnerTexts()).join('\n');
    expect(texts).toMatch(/password/);
    expect(texts).toMatch(/Stream 1 \(agent\), 0:01\.2 – 0:02\.6\s+marked by a reviewer/);
    expect(texts).not.toContain('not yet');
    await screen(page, 'proof');
    const [file] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download the proof' }).click()]);
    expect(file.suggestedFilename()).toBe(`erasure-proof-${call}.json`);
    const [path, key] = [join(served.calls, 'proof.json'), join(served.calls, 'public.key')];
    await file.saveAs(path);
    const { verifier_key: text } = (await (await page.request.get('/v1/log/checkpoint')).json()) as { verifier_key: string };
    writeFileSync(key, `${text}\n`);
    await served.offline('prove', 'check', path, '--key', key);
    await printed(page, 'proof');
    // One entry changed on its way: the browser says so.
    await page.route('**/erasure-proofs', async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, body: (await answer.text()).replace('\\"reason\\":\\"reviewer', '\\"reason\\":\\"rewriter') });
    });
    await page.getByRole('button', { name: 'Make a new one' }).click();
    await page.locator('[data-holds=false]').waitFor({ timeout: 30_000 });
    expect(await page.getByRole('alert').innerText()).toContain('An entry is not in the log');
    await screen(page, 'proof-broken');
    await page.unroute('**/erasure-proofs');
  });
});

describe('the review of the listener', () => {
  test('an erasure is called needless, a missed secret is erased and counted, the call heard wholly; the report has all three', async () => {
    const { page } = browser;
    const call = imported.incoming_password!;
    await page.goto('/listening');
    await page.getByText('no call reviewed').waitFor();
    await screen(page, 'listening-empty');
    await page.goto(`/calls/${call}`);
    const region = page.getByRole('region', { name: 'Review of the listener' });
    expect(await region.getByRole('button', { name: 'Listened to wholly' }).isDisabled()).toBe(true);
    await page.getByLabel('Reason').first().fill('story: how well was it heard');
    await page.getByRole('button', { name: 'Open', exact: true }).click();
    await page.getByText('Opened for:').waitFor({ timeout: 20_000 });
    const total = Number(await page.getByRole('slider', { name: 'Position' }).getAttribute('max'));
    for (let at = 0; at < total; at += 20_000) await heard(page, at, 200);
    await region.getByText('you had 100% of its sound').waitFor();
    // Needless: nothing comes back, and it says so.
    const before = await accountOf(call);
    await region.getByRole('button', { name: /^Needless: erased from/ }).first().click();
    await region.getByLabel('What it was').selectOption('order');
    await region.getByLabel('Why it was taken for a secret').selectOption('harmless_question');
    await screen(page, 'call-review');
    await region.getByRole('button', { name: 'Mark as needless' }).click();
    await region.locator('[data-needless=true]').first().waitFor();
    expect(await accountOf(call)).toEqual(before);
    // Missed: by its kind and cause, without a word of it.
    const open = before.find((one) => one.state === 'sealed' && one.stream === 'agent' && one.end_ms - one.start_ms > 2_000)!;
    const at = open.start_ms + 500;
    await page.getByRole('button', { name: 'Erase a range' }).click();
    await page.getByLabel('From (seconds)').fill(String(at / 1000));
    await page.getByLabel('To (seconds)').fill(String(at / 1000 + 1));
    await page.getByLabel('Side').selectOption('agent');
    await page.getByLabel('What is it').selectOption('card');
    await page.getByLabel('Why the listener missed it').selectOption('read_back');
    await screen(page, 'call-review-missed');
    await page.getByRole('button', { name: 'Erase…' }).click();
    await page.getByRole('button', { name: 'Erase for ever' }).click();
    await page.locator('[data-outcome=erased]').waitFor({ timeout: 15_000 });
    await region.getByText('1 missed secret is marked').waitFor();
    expect((await accountOf(call)).find((one) => one.stream === 'agent' && one.state === 'erased' && one.start_ms === at)).toMatchObject({ end_ms: at + 1_000, reason: 'card' });
    await region.getByLabel('How the call was chosen').selectOption('reason');
    await region.getByRole('button', { name: 'Listened to wholly' }).click();
    await region.getByText(/Listened to wholly by owner/).waitFor();
    await page.evaluate(() => scrollTo(0, 0)); // nothing half under the header
    await screen(page, 'call-reviewed');
    // From the log: for the command line, for the page, and for whoever opens the call again.
    const report = async () => JSON.parse(await served.cli('listen', 'report', '--json')) as Record<string, { count: number; of: number }> & { missed_kinds: unknown };
    await expect.poll(async () => (await report()).calls, { timeout: 15_000 }).toMatchObject({ count: 1, of: 1 });
    expect(await report()).toMatchObject({ missed: 1, needless: 1, not_heard: 0, random: { of: 0 }, missed_kinds: [{ word: 'card', count: 1 }], missed_causes: [{ word: 'read_back', count: 1 }] });
    await page.goto('/listening');
    await page.getByText('1 call reviewed: between 21 and 100 %').waitFor();
    await screen(page, 'listening');
    await page.goto(`/calls/${call}`);
    await region.locator('[data-needless=true]').first().waitFor();
    expect(await region.innerText()).toContain('1 missed secret is marked');
    const said = (await (await page.request.get(`/v1/log/entries?subject=${call}&type=secret_missed`)).json()) as { entries: { data: object }[] };
    expect(Object.keys(said.entries[0]!.data).sort()).toEqual(['cause', 'kind', 'order', 'ranges']);
    expect(await served.cli('log', 'check')).toMatch(/^kept: .* 0 breaches, 0 warnings/m);
  });
});

// A caller who keys digits for a minute: far more than the listener may erase by itself.
const RATE = 8_000;
function keyedDigits(seconds: number): Buffer {
  const frames = seconds * RATE;
  const wav = Buffer.alloc(44 + frames * 4);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(36 + frames * 4, 4);
  wav.write('WAVEfmt ', 8);
  [[16, 16, 4], [20, 1, 2], [22, 2, 2], [24, RATE, 4], [28, RATE * 4, 4], [32, 4, 2], [34, 16, 2]].forEach(([at, value, size]) => wav.writeUIntLE(value!, at!, size!));
  wav.write('data', 36);
  wav.writeUInt32LE(frames * 4, 40);
  for (let i = 0; i < frames; ++i) {
    const tone = i % RATE < RATE * 0.5 ? 6_000 * (Math.sin((2 * Math.PI * 770 * i) / RATE) + Math.sin((2 * Math.PI * 1336 * i) / RATE)) : 0;
    wav.writeInt16LE(Math.round(tone), 44 + i * 4);
    wav.writeInt16LE(Math.round(((i * 7919) % 64) - 32), 46 + i * 4);
  }
  return wav;
}

describe('held for a person', () => {
  const heldMs = async (call: string): Promise<number> =>
    (await accountOf(call)).filter((one) => one.reason === 'held').reduce((sum, one) => sum + one.end_ms - one.start_ms, 0);
  test('the list marks the call; its page shows what is held; one part is kept, the rest erased', async () => {
    const { page } = browser;
    writeFileSync(join(served.calls, 'keyed.wav'), keyedDigits(60));
    const call = await take('keyed', 'incoming');
    expect(await heldMs(call)).toBeGreaterThan(3_000);
    const listed = JSON.parse(await served.cli('held', '--json')) as { total: number; calls: { call: string; orders: { order: string }[] }[] };
    expect(listed.total).toBe(1);
    expect(listed.calls[0]!.call).toBe(call);
    await page.goto('/');
    await page.locator('tbody tr', { hasText: 'decision needed' }).waitFor();
    expect(await page.getByText('decision needed').count()).toBe(1);
    await screen(page, 'calls-held');
    await page.goto('/system');
    await page.getByText('1 call waits for a decision').waitFor();
    await page.goto(`/calls/${call}`);
    await page.getByLabel('Reason').first().fill('story: somebody must decide');
    await page.getByRole('button', { name: 'Open', exact: true }).click();
    await page.getByText('Opened for:').waitFor({ timeout: 20_000 });
    const region = page.getByRole('region', { name: 'Held for a decision' });
    await region.waitFor();
    const held = (await accountOf(call)).find((one) => one.reason === 'held' && one.stream === 'customer')!;
    await expect.poll(() => inked(page, 0, held.start_ms + 100, held.end_ms - 100)).toBeGreaterThan(0.9);
    await screen(page, 'call-held');
    // By keys alone: no reason is no decision; Escape changes nothing.
    const before = await heldMs(call);
    const keep = region.getByRole('button', { name: 'Keep… held order 1', exact: true });
    await keep.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Keep what is held?' }).waitFor();
    await page.keyboard.press('Enter');
    await page.getByText('Say why, in at least 3 characters.').waitFor();
    await page.keyboard.press('Escape');
    expect(await heldMs(call)).toBe(before);
    expect(await keep.evaluate((button) => button === document.activeElement)).toBe(true);
    await page.keyboard.press('Enter');
    await page.keyboard.type('story: an article number');
    await screen(page, 'call-held-keep');
    await page.keyboard.press('Enter');
    await page.locator('[data-outcome=kept]').waitFor();
    expect(await heldMs(call)).toBeLessThan(before);
    // What is kept sounds again.
    const kept = (await accountOf(call)).find((one) => one.stream === 'customer' && one.state === 'sealed' && one.reason === '' && one.start_ms <= held.start_ms && one.end_ms > held.start_ms)!;
    expect(kept).toBeDefined();
    expect(await heard(page, held.start_ms, 1_500)).toBeGreaterThan(0.05);
    // On the command line another; the page is told.
    const waiting = (JSON.parse(await served.cli('held', '--json')) as typeof listed).calls[0]!.orders;
    expect(waiting.length).toBe(listed.calls[0]!.orders.length - 1);
    const said = await served.cli('decide', call, '--order', waiting[0]!.order, '--keep', '--reason', 'story: a price', '--json');
    expect(JSON.parse(said)).toMatchObject({ id: waiting[0]!.order, outcome: 'kept' });
    await region.getByText(`All ${waiting.length - 1} held orders`).waitFor({ timeout: 30_000 });
    await expect(served.cli('decide', call, '--order', 'ab'.repeat(16), '--erase', '--reason', 'story')).rejects.toThrow(/nothing of this call is held/);
    await expect(served.cli('decide', call, '--order', waiting[0]!.order, '--erase', '--reason', 'story')).rejects.toThrow(/decided already/);
    // All the rest is erased, with one decision; what goes beyond one person's share another one confirms.
    await region.getByRole('button', { name: 'Erase all for ever…' }).first().click();
    await page.getByText('This cannot be undone').first().waitFor();
    await page.getByRole('dialog').getByLabel('Why, in words').fill('story: digits of a card');
    await screen(page, 'call-held-erase');
    await page.getByRole('dialog').getByRole('button', { name: 'Erase for ever' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached', timeout: 20_000 });
    // The page decides one order after the other; until it is through, another person would be the first to decide some.
    await expect.poll(async () => region.getByRole('button', { name: /^Erase/ }).first().isEnabled(), { timeout: 60_000 }).toBe(true);
    await screen(page, 'call-held-second');
    const left = (JSON.parse(await served.cli('held', '--json')) as typeof listed).calls[0]?.orders ?? [];
    expect(left.length).toBeGreaterThan(0);
    for (const one of left) await served.cli('decide', call, '--order', one.order, '--erase', '--reason', 'story: the same');
    await region.waitFor({ state: 'detached', timeout: 20_000 });
    await expect.poll(async () => page.locator('[data-outcome=erased]').count(), { timeout: 20_000 }).toBeGreaterThan(0);
    expect(await heldMs(call)).toBe(0);
    // The history names intention, decision and end.
    const history = page.getByRole('region', { name: 'What was done to this call' });
    await expect.poll(async () => history.innerText(), { timeout: 15_000 }).toMatch(/Erased\n[\s\S]*Erasure intended\n/);
    expect(await history.innerText()).toContain('Held order decided');
    await screen(page, 'call-held-decided');
    // A range that is erased already cannot be marked once more.
    await page.getByRole('button', { name: 'Erase a range' }).click();
    const gone = (await accountOf(call)).find((one) => one.state === 'erased' && one.stream === 'customer')!;
    await page.getByLabel('From (seconds)').fill(String(gone.start_ms / 1000));
    await page.getByLabel('To (seconds)').fill(String(gone.end_ms / 1000));
    await page.getByLabel('Why, in words').last().fill('story: twice');
    await page.getByRole('button', { name: 'Erase…' }).click();
    await page.getByText('erased, being erased or held already').waitFor();
    expect(JSON.parse(await served.cli('held', '--json'))).toEqual({ total: 0, calls: [] });
  });
});

describe('log, system, sessions', () => {
  test('the log verifies, and holds what was done', async () => {
    const { page } = browser;
    await page.goto('/log');
    await page.getByRole('button', { name: 'Verify now' }).click();
    await page.locator('[data-verified=true]').waitFor({ timeout: 30_000 });
    await screen(page, 'log');
    await page.getByLabel('Type').selectOption('opened');
    const types = page.locator('tbody tr td.type');
    await expect.poll(async () => [...new Set(await types.allInnerTexts())], { timeout: 15_000 }).toEqual(['Opened']);
    await page.getByRole('button', { name: /^Entry \d+$/ }).first().click();
    await page.getByText('reason_hash').waitFor();
    const [receipt] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Receipt' }).click()]);
    expect(receipt.suggestedFilename()).toMatch(/^entry-\d+\.tlog-proof$/);
    await page.getByRole('button', { name: 'Close' }).click();
    await page.getByText('Nobody outside signs this log').waitFor();
  });
  test('the system page names every process, disks, queues and mirrors', async () => {
    const { page } = browser;
    await page.goto('/system');
    for (const name of ['keeper', 'recorder', 'signal', 'listener', 'courier', 'server']) await page.getByRole('cell', { name, exact: true }).waitFor();
    await page.getByText('Everything works').waitFor();
    await screen(page, 'system');
  });
  test('sessions; signing out ends it', async () => {
    const { page } = browser;
    await page.goto('/sessions');
    await page.getByText('this browser').waitFor();
    await screen(page, 'sessions');
    await page.goto('/people');
    await page.getByText('No role chart is founded').waitFor();
    await screen(page, 'people-unfounded');
    await page.goto('/enrol#00');
    await page.getByText('This link was used already').waitFor();
    await screen(page, 'enrol');
    await page.goto('/sessions');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL('**/sign-in**');
    expect((await page.request.get('/v1/session')).status()).toBe(401);
  });
});
