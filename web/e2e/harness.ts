// A Callward of its own for the stories: a fresh data folder, every process real, every port free.
import { spawn, execFile, type ChildProcess } from 'node:child_process';
import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createHash, X509Certificate } from 'node:crypto';
import { createRequire } from 'node:module';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { chromium, type BrowserContext, type CDPSession, type Page } from 'playwright-core';

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));
const root = resolve(here, '../..');
const binary = resolve(here, '..', process.env.CALLWARD_BINARY ?? '../build/release/callward');
export const shots = join(root, 'build/screenshots');
export const PASSPHRASE = 'seven quiet lamps on a wet road';
const RTP_FIRST = 41_000 + (process.pid % 200) * 40;

export interface Served {
  url: string;
  sip: string; // where SIPREC clients send calls
  founding: string; // the owner's one-time link, where the chart is to be founded
  certificate: string; // of the server: SHA-256 of its public key, base64
  policy: string; // the policy's file
  config: string;
  calls: string;
  cli: (...args: string[]) => Promise<string>;
  // One that waits for a person: what it says until then (up to `until`), and what it says in the end.
  waiting: (until: RegExp, ...args: string[]) => Promise<{ said: RegExpExecArray; done: Promise<{ code: number | null; out: string }> }>;
  offline: (...args: string[]) => Promise<string>; // without this server's settings
  stop: () => Promise<void>;
}

function ready(child: ChildProcess, log: string[]): Promise<{ https: string; sip: string }> {
  return new Promise((done, failed) => {
    let out = '';
    child.stdout!.on('data', (chunk: Buffer) => {
      out += chunk.toString();
      const line = out.split('\n').find((one) => one.includes('"ready"'));
      if (line) done(JSON.parse(line) as { https: string; sip: string });
    });
    child.stderr!.on('data', (chunk: Buffer) => log.push(chunk.toString()));
    child.on('exit', (code) => failed(new Error(`serve ended with ${code}\n${log.join('').slice(-4000)}`)));
  });
}

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const probe = createServer().once('error', failed);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => done(port));
    });
  });
}
const keyHash = (certificate: string): string =>
  createHash('sha256')
    .update(new X509Certificate(readFileSync(certificate)).publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');

function waiting(until: RegExp, child: ChildProcess): ReturnType<Served['waiting']> {
  let out = '';
  let asked = '';
  child.stdout!.on('data', (chunk: Buffer) => (out += chunk.toString()));
  const done = new Promise<{ code: number | null; out: string }>((ended) => child.once('exit', (code) => ended({ code, out })));
  return new Promise((told, failed) => {
    child.stderr!.on('data', (chunk: Buffer) => {
      asked += chunk.toString();
      const said = until.exec(asked);
      if (said) told({ said, done });
    });
    void done.then(() => failed(new Error(`it did not wait: ${asked}${out}`)));
  });
}

// `by`: 'passphrase': no role chart, the owner has PASSPHRASE. 'chart': the owner, `olga`, has a link to found one;
// passkeys are of a host and a port, so this port is chosen before.
// `more`: lines of configuration by section.
export async function serve(by: 'passphrase' | 'chart' = 'passphrase', more: Record<string, string> = {}): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), 'callward-console-'));
  const data = join(folder, 'data');
  const passphrase = join(folder, 'passphrase');
  writeFileSync(passphrase, PASSPHRASE, { mode: 0o600 });
  const port = by === 'chart' ? await freePort() : 0;
  const made = await run(binary, [
    'init', '--data', data, '--json', ...(by === 'chart' ? ['--owner', 'olga'] : ['--owner', 'owner', '--passphrase-file', passphrase]),
  ]);
  const token = (JSON.parse(made.stdout) as { enrolment: string }).enrolment.split('#')[1] ?? '';
  const config = join(data, 'callward.toml');
  const set = (section: string, lines: string): void => {
    const text = readFileSync(config, 'utf8');
    if (text.includes(`[${section}]`)) writeFileSync(config, text.replace(`[${section}]\n`, `[${section}]\n${lines}\n`));
    else appendFileSync(config, `[${section}]\n${lines}\n`);
  };
  if (by === 'chart') set('server', `origin = "https://localhost:${port}"`);
  set('server', `port = ${port}\nconsole_dir = "${resolve(here, '../dist')}"\ntime_zone = "Europe/Berlin"`);
  set('sip', 'port = 0');
  // 30 s of a call are always allowed: the demonstration's calls stay below, the story of the held call does not.
  set('keys', 'listener_share_percent = 1');
  set('recorder', `rtp_port_first = ${RTP_FIRST}\nrtp_port_last = ${RTP_FIRST + 39}\nspool_file_bytes = 16777216`);
  for (const [section, lines] of Object.entries(more)) set(section, lines);
  const log: string[] = [];
  const child = spawn(binary, ['serve', '--config', config], { stdio: ['ignore', 'pipe', 'pipe'] });
  const told = await ready(child, log);
  const url = by === 'chart' ? `https://localhost:${port}` : told.https;
  const calls = join(folder, 'calls');
  await run('python3', [join(root, 'tools/demo/make_calls.py'), calls]);
  return {
    url,
    sip: told.sip,
    founding: token === '' ? '' : `${url}/enrol#${token}`,
    certificate: keyHash(join(data, 'tls/certificate.pem')),
    policy: join(data, 'policy.toml'),
    config,
    calls,
    cli: async (...args) => (await run(binary, [...args, '--config', config], { maxBuffer: 2 ** 26 })).stdout,
    waiting: (until, ...args) => waiting(until, spawn(binary, [...args, '--config', config], { stdio: ['ignore', 'pipe', 'pipe'] })),
    offline: async (...args) => (await run(binary, args)).stdout,
    async stop() {
      child.removeAllListeners('exit');
      const ended = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export interface Browser {
  context: BrowserContext;
  page: Page;
  complaints: string[];
  stop: () => Promise<void>;
}

// A policy that is broken, or an error that nobody caught, fails the story that it happened in.
export function watch(page: Page, complaints: string[]): void {
  page.on('console', (message) => {
    if (/Content Security Policy|TrustedScript|Trusted Type|violates/.test(message.text())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
}

export const CHROMIUM = {
  executablePath: '/usr/bin/chromium',
  headless: true,
  args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-renderer-backgrounding', '--disable-backgrounding-occluded-windows', '--autoplay-policy=no-user-gesture-required',
  ],
};
export const VIEWPORT = { width: 1280, height: 860 };

export async function browse(url: string): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), 'callward-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    ...CHROMIUM,
    baseURL: url,
    ignoreHTTPSErrors: true,
    acceptDownloads: true,
    viewport: VIEWPORT,
  });
  context.setDefaultTimeout(10_000);
  const page = context.pages()[0] ?? (await context.newPage());
  const complaints: string[] = [];
  watch(page, complaints);
  return {
    context,
    page,
    complaints,
    async stop() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
interface Finding {
  id: string;
  help: string;
  nodes: { target: string[]; failureSummary: string }[];
}

// One a page, never detached: Chromium takes a page's virtual authenticators away with any session that ends.
const sessions = new WeakMap<Page, Promise<CDPSession>>();
function sessionOf(page: Page): Promise<CDPSession> {
  const known = sessions.get(page) ?? page.context().newCDPSession(page);
  sessions.set(page, known);
  return known;
}

// axe in a world of its own: the page's policy lets no foreign script in, and rightly.
export async function violations(page: Page): Promise<string[]> {
  const session = await sessionOf(page);
  const { frameTree } = await session.send('Page.getFrameTree');
  const { executionContextId } = await session.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id, worldName: 'axe' });
  const evaluate = async (expression: string) => {
    const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
      expression, contextId: executionContextId, awaitPromise: true, returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value as string;
  };
  await evaluate(`${axeSource}; 0`);
  const tags = JSON.stringify(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']);
  const raw = await evaluate(`axe.run(document, { runOnly: ${tags} }).then((r) => JSON.stringify(r.violations))`);
  return (JSON.parse(raw) as Finding[]).flatMap((finding) =>
    finding.nodes.map((node) => `${finding.id}: ${finding.help} at ${node.target.join(' ')}: ${node.failureSummary}`),
  );
}

// One screen in light, dark and narrow: axe finds nothing in either, pictures are kept for people to look at.
export async function screen(page: Page, name: string): Promise<void> {
  await page.bringToFront();
  mkdirSync(shots, { recursive: true });
  const found: string[] = [];
  for (const scheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
    await page.waitForTimeout(150);
    await page.screenshot({ path: join(shots, `${name}-${scheme}.png`), fullPage: true, timeout: 30_000 });
    found.push(...(await violations(page)).map((one) => `${scheme}: ${one}`));
  }
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  await page.setViewportSize({ width: 390, height: 844 });
  await page.waitForTimeout(150);
  await page.screenshot({ path: join(shots, `${name}-narrow.png`), fullPage: true, timeout: 30_000 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth);
  if (wide > 390) found.push(`narrow: the page is ${wide} px wide`);
  await page.setViewportSize({ width: 1280, height: 860 });
  if (found.length > 0) throw new Error(`${name}\n${found.join('\n')}`);
}

// The page as paper: a picture for people, of what the print stylesheet leaves.
export async function printed(page: Page, name: string): Promise<void> {
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  await page.setViewportSize({ width: 794, height: 1123 });
  const buttons = await page.getByRole('button').filter({ visible: true }).count();
  await page.pdf({ path: join(shots, `${name}-print.pdf`), format: 'A4', printBackground: false });
  await page.screenshot({ path: join(shots, `${name}-print.png`), fullPage: true, timeout: 30_000 });
  await page.setViewportSize({ width: 1280, height: 860 });
  await page.emulateMedia({ media: 'screen', colorScheme: 'light' });
  if (buttons > 0) throw new Error(`${name}: ${buttons} buttons on paper`);
}
