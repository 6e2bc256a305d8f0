// People: the role chart is founded, others join and sign in by passkey, and what they had is lost, replaced, ended.
import { createHmac } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
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
    await screen(page, 'people-alone');
  });
});

describe('a second person', () => {
  test('is named, given a role, invited by a link that is shown once, and joins', async () => {
    const { page } = at('olga');
    await page.getByRole('button', { name: 'Add a person' }).click();
    await page.getByLabel('Name').fill('adam');
    await screen(page, 'people-add');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByText('Next: give a role').waitFor();
    await page.getByLabel('administrator').check();
    await page.getByRole('combobox', { name: 'Answers to' }).selectOption({ label: 'olga' });
    expect(await page.getByLabel('expert').isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Sign the change' }).click();
    await page.getByText('It is in the role chart.').waitFor();
    await page.getByRole('button', { name: 'Invite…' }).click();
    const told = page.getByLabel('One-time link');
    await told.waitFor();
    await screen(page, 'person-invited');
    const link = await told.inputValue();
    expect(link).toMatch(/^https:\/\/localhost:\d+\/enrol#[0-9a-f]{64}$/);
    await page.getByRole('button', { name: 'I have passed it on' }).click();
    expect(await page.content()).not.toContain(link.slice(-64));
    const adam = await all.person('adam');
    await adam.page.goto(link);
    await adam.page.getByRole('heading', { name: 'Join' }).waitFor();
    await adam.page.getByLabel('Passphrase', { exact: true }).fill(adam.passphrase);
    await adam.page.locator('[data-strength=good]').waitFor();
    await screen(adam.page, 'enrol-join');
    await enrol(adam, link);
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
    await hire(all, olga, 'sam', { roles: ['supervisor'] });
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
