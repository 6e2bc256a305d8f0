// The client's types are made from src/api/openapi.yaml; this fails when the file in the tree is another.
import openapi, { astToString } from 'openapi-typescript';
import { readFileSync } from 'node:fs';

const fresh = astToString(await openapi(new URL('../../src/api/openapi.yaml', import.meta.url)));
const kept = readFileSync(new URL('../src/api/schema.d.ts', import.meta.url), 'utf8');
const body = (text) => text.replace(/^\/\*\*[\s\S]*?\*\/\s*/, '').trim();
if (body(fresh) !== body(kept)) {
  console.error('src/api/schema.d.ts does not fit src/api/openapi.yaml: run `npm run generate`');
  process.exit(1);
}
