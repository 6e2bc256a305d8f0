// What a browser loads before the sign-in screen stands: index.html, its scripts and styles, and what those
// import statically. Fails above the limit.
import { readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const LIMIT_BYTES = 80 * 1000;
const dist = join(dirname(fileURLToPath(import.meta.url)), '../dist');
const seen = new Map();

function load(path) {
  if (seen.has(path)) return;
  const raw = readFileSync(join(dist, path));
  seen.set(path, gzipSync(raw, { level: 6 }).length);
  const text = raw.toString('utf8');
  if (path.endsWith('.html'))
    for (const [, url] of text.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)) load(url);
  if (path.endsWith('.js'))
    for (const [, url] of text.matchAll(/(?:from|import)\s*["'](\.{1,2}\/[^"']+)["']/g))
      load(posix.join(posix.dirname(path), url));
}
load('/index.html');
let total = 0;
for (const [path, bytes] of seen) {
  total += bytes;
  console.log(`${String(bytes).padStart(7)}  ${path}`);
}
console.log(`${String(total).padStart(7)}  first load, gzip (limit ${LIMIT_BYTES})`);
process.exit(total > LIMIT_BYTES ? 1 : 0);
