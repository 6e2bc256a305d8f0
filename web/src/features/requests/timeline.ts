// The log's entries of a request as moments that people read.
import { v } from '../../words/vault';
import type { FieldChip } from './rules';

export interface Entry {
  entry: number;
  type: string;
  at: number;
  actor: string;
  data: Record<string, unknown>;
}
export type Tone = 'plain' | 'good' | 'warn' | 'bad' | 'accent';
export interface Moment {
  entry: number;
  at: number;
  actor: string; // id; '': the system
  title: string;
  detail: string;
  tone: Tone;
  step: number; // its place in the chain; 0: no step
  signed: boolean;
  words: number; // the step whose words can be opened; 0: nothing was said
  call: string;
}

const numberOf = (data: Record<string, unknown>, name: string): number => (typeof data[name] === 'number' ? data[name] : 0);
const textOf = (data: Record<string, unknown>, name: string): string => (typeof data[name] === 'string' ? data[name] : '');
const TONES: Record<string, Tone> = {
  pass: 'good', release: 'good', fail: 'bad', decline: 'bad', break: 'bad', revoke: 'bad', no_answer: 'warn', time: 'warn', view: 'accent',
};
const PERSON = /^[0-9a-f]{32}$/;

export function momentOf(entry: Entry, names: (id: string) => string, label: (leaf: number) => string): Moment {
  const { data } = entry;
  const actor = PERSON.test(entry.actor) ? entry.actor : '';
  const base: Moment = {
    entry: entry.entry, at: entry.at, actor, title: v.timeline.types[entry.type] ?? entry.type.replaceAll('_', ' '), detail: '',
    tone: 'plain', step: 0, signed: false, words: 0, call: '',
  };
  const labels = (): string => (Array.isArray(data.fields) ? (data.fields as number[]).map(label).join(', ') : '');
  switch (entry.type) {
    case 'disclosure_step': {
      const kind = textOf(data, 'kind');
      const minutes = numberOf(data, 'window_ms') / 60_000;
      const found = (): string => (typeof data.needed === 'boolean' ? v.timeline.found(data.needed, data.used === true) : '');
      const detail: Record<string, () => string> = {
        ask: labels,
        review: found,
        assign: () => v.timeline.to(names(textOf(data, 'expert'))),
        pass: () => v.timeline.passed(numberOf(data, 'seconds'), numberOf(data, 'checks')),
        release: () => v.timeline.released(labels(), minutes),
        break: () => v.timeline.released(labels(), minutes),
        view: labels,
      };
      return {
        ...base,
        title: v.timeline.steps[kind] ?? kind,
        detail: detail[kind]?.() ?? '',
        tone: kind === 'review' && data.needed === false ? 'warn' : (TONES[kind] ?? 'plain'),
        step: numberOf(data, 'number'),
        signed: actor !== '',
        words: textOf(data, 'words') === '' ? 0 : numberOf(data, 'number'),
      };
    }
    case 'check_made': {
      const passed = data.passed === true;
      const what = textOf(data, 'kind') === 'code' ? v.timeline.code : label(numberOf(data, 'leaf'));
      return { ...base, detail: v.timeline.check(what, passed), tone: passed ? 'good' : 'warn' };
    }
    case 'code_sent':
      return { ...base, detail: v.timeline.channel[textOf(data, 'channel')] ?? '' };
    case 'call_back_made': {
      const answered = data.answered === true;
      const cause = textOf(data, 'cause');
      return {
        ...base,
        detail: answered
          ? v.timeline.talked(numberOf(data, 'seconds'), data.recorded === true)
          : (v.timeline.causes[cause] ?? cause.replaceAll('_', ' ')),
        tone: answered ? 'good' : 'warn',
        call: textOf(data, 'call'),
      };
    }
    case 'words_read':
      return { ...base, detail: v.timeline.wordsOf(numberOf(data, 'number')) };
    default:
      return base;
  }
}

export function momentsOf(entries: Entry[], people: Record<string, string>, fields: FieldChip[]): Moment[] {
  const labels = new Map(fields.map((one) => [one.leaf, one.label]));
  const names = (id: string): string => people[id] ?? v.person(id);
  return entries.map((one) => momentOf(one, names, (leaf) => labels.get(leaf) ?? v.field(leaf)));
}

// The newest call-back that counts: answered and recorded.
export const callBackOf = (moments: Moment[]): string => moments.findLast((one) => one.call !== '' && one.tone === 'good')?.call ?? '';
