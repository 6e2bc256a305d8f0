import { expect, test, vi } from 'vitest';
import type { LiveCall } from '../../api/client';

vi.stubGlobal('location', { origin: 'https://localhost:8443', pathname: '/', search: '', hash: '', reload: () => {} });
vi.stubGlobal('addEventListener', () => {});
vi.stubGlobal('document', { addEventListener: () => {} });
const answers: ((body: object) => void)[] = [];
vi.stubGlobal(
  'fetch',
  vi.fn(
    () =>
      new Promise<Response>((resolve) => {
        answers.push((body) => {
          resolve(new Response(JSON.stringify(body), { headers: { 'Content-Type': 'application/json' } }));
        });
      }),
  ),
);

const { Desk } = await import('./desk.svelte');

test('what was found by another call than the one at the telephone is dropped', async () => {
  const customers = [{ customer: '7'.repeat(32), open_cases: [] }];
  const at = (call: string): LiveCall => ({ call, started_at: 5, attestation: '', private: null });
  const desk = new Desk();
  desk.told(at('a'));
  await vi.waitUntil(() => answers.length === 1);
  answers[0]?.({ call: 'b', customers }); // it came to the telephone between asking and looking
  await new Promise((done) => setTimeout(done, 20));
  expect(desk.found).toBeNull();
  expect(desk.caller).toBe('');
  desk.told(at('b'));
  await vi.waitUntil(() => answers.length === 2);
  answers[1]?.({ call: 'b', customers });
  await vi.waitUntil(() => desk.found !== null);
  expect(desk.found).toEqual(customers);
  expect(desk.caller).toBe('looked');
});
