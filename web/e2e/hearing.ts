// What a person sees and hears of a call that is open in the page.
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

// Who releases has read the concern and heard the call-back: from the request's page, and back to it. The listener may be at it.
export async function readAndHear(page: Page, concern: string): Promise<void> {
  await page.getByRole('heading', { name: 'Decide' }).waitFor();
  await page.locator('[data-first]').waitFor();
  await page.getByRole('button', { name: 'Read the words' }).first().click();
  await page.getByText(concern).waitFor();
  await page.locator('[data-judged=read]').waitFor();
  await hear(page, 'before a release: is it really her');
}
// The call-back, from the page of its request.
export async function hear(page: Page, reason: string): Promise<void> {
  await page.getByRole('link', { name: 'Hear it' }).first().click();
  await page.getByLabel('Reason').first().fill(reason);
  await expect.poll(async () => {
    await page.getByRole('button', { name: 'Open', exact: true }).click({ timeout: 2_000 }).catch(() => {});
    return page.getByText('Opened for:').isVisible();
  }, { timeout: 60_000, interval: 2_000 }).toBe(true);
  await page.getByRole('button', { name: 'Play', exact: true }).waitFor();
  // As much of the customer's side as a call-back needs at all: from its middle on the rest is loaded, too.
  await seek(page, 20_000);
  await page.getByRole('button', { name: 'Play', exact: true }).click();
  await expect.poll(() => positionMs(page), { timeout: 20_000 }).toBeGreaterThan(20_500);
}
export async function backToDecide(page: Page): Promise<void> {
  await page.goBack();
  await page.locator('[data-judged=heard]').waitFor({ timeout: 20_000 });
  expect(await page.locator('[data-first]').count()).toBe(0);
}

// Pixels of a lane between two times that are not its ground.
export async function inked(page: Page, lane: number, fromMs: number, toMs: number): Promise<number> {
  return page.evaluate(
    ([at, from, to]) => {
      const canvas = document.querySelectorAll('canvas')[at!]!;
      const total = Number(document.querySelector<HTMLInputElement>('input[type=range]')!.max);
      const [x, w] = [Math.floor((from! / total) * canvas.width), Math.max(1, Math.floor(((to! - from!) / total) * canvas.width))];
      const pixels = canvas.getContext('2d')!.getImageData(x, 0, w, canvas.height).data;
      let count = 0;
      for (let i = 3; i < pixels.length; i += 4) if (pixels[i]! > 0) count += 1;
      return count / (pixels.length / 4);
    },
    [lane, fromMs, toMs],
  );
}
export const positionMs = async (page: Page): Promise<number> => Number(await page.locator('output[data-position]').getAttribute('data-position'));
export async function seek(page: Page, ms: number): Promise<void> {
  await page.getByRole('slider', { name: 'Position' }).fill(String(Math.round(ms / 100) * 100));
}
// The loudest that the analyser hears while it plays on from `ms`.
export async function heard(page: Page, ms: number, forMs: number): Promise<number> {
  await seek(page, ms);
  await page.getByRole('button', { name: 'Play', exact: true }).click();
  await expect.poll(() => positionMs(page), { timeout: 20_000 }).toBeGreaterThan(ms + 250);
  let loudest = 0;
  const until = Date.now() + forMs;
  while (Date.now() < until) {
    loudest = Math.max(loudest, Number(await page.getByRole('meter', { name: 'Level' }).getAttribute('aria-valuenow')));
    await page.waitForTimeout(40);
  }
  await page.getByRole('button', { name: 'Pause' }).click();
  return loudest;
}
