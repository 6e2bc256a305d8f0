import { describe, expect, test } from 'vitest';
import { callBackOf, momentsOf, type Entry } from './timeline';

const person = 'ab'.repeat(16);
const entry = (type: string, data: Record<string, unknown>, actor = person): Entry => ({ entry: 9, type, at: 5, actor, data });
const moments = (...entries: Entry[]) =>
  momentsOf(entries, { [person]: 'Tom' }, [
    { field: 'email', leaf: 3, label: 'E-mail', case: 1, kind: 'email', class: 'contact', state: 'readable', stored_at: 0, gone_at: 0, kept: '' },
  ]);

describe('the time-line', () => {
  test('a step of a person is signed, and has words where words were said', () => {
    const [asked, given] = moments(
      entry('disclosure_step', { kind: 'ask', number: 1, words: 'cd', fields: [3], by: person }),
      entry('disclosure_step', { kind: 'assign', number: 2, words: '', fields: [], expert: person, by: '' }, 'keeper'),
    );
    expect(asked).toMatchObject({ title: 'Asked', detail: 'E-mail', signed: true, step: 1, words: 1 });
    expect(given).toMatchObject({ title: 'Given to an expert', detail: 'Tom', signed: false, actor: '', words: 0 });
  });
  test('a call-back counts when it was answered', () => {
    const call = '01'.repeat(16);
    const [none, good] = moments(
      entry('call_back_made', { answered: false, recorded: true, seconds: 0, cause: 'busy', call: '02'.repeat(16) }, 'keeper'),
      entry('call_back_made', { answered: true, recorded: true, seconds: 44, cause: 'hung_up_expert', call }, 'keeper'),
    );
    expect(none).toMatchObject({ tone: 'warn', detail: 'the customer’s line was busy' });
    expect(good).toMatchObject({ tone: 'good', detail: 'talked 44 s, recorded' });
    expect(callBackOf([none!, good!])).toBe(call);
  });
  test('that somebody heard the call-back has a name of its own', () => {
    expect(moments(entry('call_back_heard', { call: '01'.repeat(16) }))[0]!.title).toBe('Call-back heard');
  });
  test('a review says what it found; one from before there were answers says nothing', () => {
    const [none, needless] = moments(
      entry('disclosure_step', { kind: 'review', number: 9, words: 'cd' }),
      entry('disclosure_step', { kind: 'review', number: 9, words: 'cd', needed: false, used: true }),
    );
    expect(none).toMatchObject({ detail: '', tone: 'plain' });
    expect(needless).toMatchObject({ detail: 'not needed, used', tone: 'warn' });
  });
  test('what is unknown is told as it is', () => {
    expect(moments(entry('new_kind_of_entry', {}))[0]!.title).toBe('new kind of entry');
    expect(moments(entry('check_made', { kind: 'email', leaf: 8, passed: false }))[0]!.detail).toBe('field 8: does not fit');
  });
});
