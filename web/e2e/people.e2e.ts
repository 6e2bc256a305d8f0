// People: the role chart is founded, others join, sign in by passkey, and lose what they had.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { serve, type Served } from './harness';
import { company, found, type Company } from './people';

let served: Served;
let all: Company;
beforeAll(async () => {
  served = await serve('chart');
  all = await company(served);
});
afterAll(async () => {
  await all?.stop();
  await served?.stop();
});
afterEach(() => {
  expect(all.complaints()).toEqual([]);
});

describe('the owner', () => {
  test('founds the role chart and signs in with the passkey', async () => {
    const olga = await found(all);
    await expect.poll(() => new URL(olga.page.url()).pathname).toBe('/');
    const chart = JSON.parse(await served.cli('user', 'list', '--json')) as { founded: boolean };
    expect(chart.founded).toBe(true);
  });
});
