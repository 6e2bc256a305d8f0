// What an entry of the log is about, and where whoever reads it may look at that.
import type { LogEntry } from '../../api/client';
import type { EntryType } from '../../reader/entry_types';

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
export function placeOf(entry: LogEntry, roles: readonly string[]): string | null {
  const id = entry.subject;
  const has = (...some: string[]): boolean => some.some((role) => roles.includes(role));
  const pages: Record<About, string | null> = {
    call: has('reviewer', 'owner') ? `/calls/${id}` : null,
    customer: has('supervisor', 'owner') ? `/customers/${id}` : null,
    request: has('owner', 'auditor', 'supervisor', 'authorised', 'expert', 'technician', 'agent') ? `/requests/${id}` : null,
    person: null,
  };
  const what = about(entry);
  return what === null ? null : (pages[what] ?? `/log?subject=${id}`);
}
