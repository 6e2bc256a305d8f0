// An entry in words. It holds no personal data, so neither does this.
import type { LogEntry } from '../../api/client';
import { t } from '../../messages';
import type { EntryType } from '../../reader/entry_types';
import { has, session } from '../session/session.svelte';
import { place } from '../../ui/format';

export const isId = (text: string): boolean => /^[0-9a-f]{32}$/.test(text);

// What an entry is about, by its type; those named in none of these, where an id stands at all, are about calls.
const ABOUT: Record<'person' | 'customer' | 'request', EntryType[]> = {
  person: [
    'signed_in', 'sign_in_failed', 'session_ended', 'person_added', 'link_made', 'link_used', 'passphrase_changed', 'codes_changed',
    'mail_changed', 'chart_changed', 'duty_changed', 'reader_bound',
  ],
  customer: [
    'fields_stored', 'fields_void', 'fields_erase_intended', 'erasure_ordered', 'customer_hold_set', 'customer_hold_lifted', 'case_closed',
    'case_assigned', 'query_read',
  ],
  request: ['disclosure_step', 'words_read', 'check_made', 'code_sent', 'call_back_made', 'call_back_heard', 'receipt_given'],
};
export type About = keyof typeof ABOUT | 'call';

export function about(entry: LogEntry): About | null {
  if (!isId(entry.subject)) return null;
  for (const [what, types] of Object.entries(ABOUT)) if ((types as string[]).includes(entry.type)) return what as About;
  return 'call';
}

// Where who reads the log looks at it: its own page, for those who may see that, or all that the log has of it.
export function placeOf(entry: LogEntry): string | null {
  const id = entry.subject;
  const pages: Record<About, string | null> = {
    call: has('reviewer', 'owner') ? `/calls/${id}` : null,
    customer: has('supervisor', 'owner') ? `/customers/${id}` : null,
    request: `/requests/${id}`,
    person: null,
  };
  const what = about(entry);
  return what === null ? null : (pages[what] ?? `/log?subject=${id}`);
}

export function actorName(actor: string): string {
  if (actor === session.me?.person) return session.me.name;
  if (isId(actor)) return t.log.person(actor);
  return actor === '-' || actor === '' ? t.log.nobody : actor;
}

function ranges(value: unknown): string {
  if (!Array.isArray(value)) return '';
  const shown = value.slice(0, 3).map((range) => {
    const [stream, first, end] = range as [number, number, number];
    const side = stream === 0 ? 'customer' : stream === 1 ? 'agent' : stream === 15 ? 'call data' : `party${stream}`;
    return stream === 15 ? side : `${side} ${place(first * 100)}–${place(end * 100)}`;
  });
  return shown.join(', ') + (value.length > 3 ? ` and ${value.length - 3} more` : '');
}

export function summary(entry: LogEntry): string {
  const data = entry.data as Record<string, unknown>;
  const parts: string[] = [];
  for (const [name, value] of Object.entries(data)) {
    if (name === 'ranges') parts.push(ranges(value));
    else if (name === 'sides') parts.push(value === 'customer' ? t.log.customerOnly : value === 'both' ? t.log.bothSides : '');
    else if (name === 'kept' && 'sides' in data) continue;
    else if (name === 'whole') parts.push(value === true ? t.log.whole : '');
    else if (name === 'source' && value === entry.actor) continue;
    else if (name === 'reason' && typeof value === 'string') parts.push(t.reason('erased', value));
    else if (name === 'reason_hash' || name === 'order' || name === 'root' || name === 'hash' || name === 'ends' || name === 'started_at' || name === 'ended_at') continue;
    else if (Array.isArray(value)) {
      if (value.some((item) => typeof item === 'string' && isId(item))) parts.push(`${value.length} ${name}`);
      else if (value.length > 0) parts.push(value.every((item) => typeof item === 'string') ? value.join(', ') : `${name} ${value.length}`);
    } else if (typeof value === 'number' || typeof value === 'boolean') parts.push(`${name.replaceAll('_', ' ')} ${value}`);
    else if (typeof value === 'string') parts.push(isId(value) ? `${name} ${value.slice(0, 8)}` : value.replaceAll('_', ' '));
  }
  return parts.filter((part) => part !== '').join(' · ');
}
