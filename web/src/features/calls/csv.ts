// Calls as CSV. A cell that a spreadsheet would take for a formula is put behind an apostrophe.
import type { Call } from '../../api/client';

const HEAD = [
  'id', 'started_at', 'ended_at', 'duration_ms', 'direction', 'source', 'phase', 'flags',
  'sealed_ms', 'unheard_ms', 'erased_ms', 'lost_ms', 'on_hold_ms', 'silent_ms', 'erased_reasons', 'held_orders',
  'legal_hold', 'object_deleted',
];

export function cell(value: string | number | null): string {
  let text = value === null ? '' : String(value);
  if (typeof value === 'string' && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function toCsv(calls: Call[]): string {
  const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
  const rows = calls.map((call) => [
    call.id,
    iso(call.started_at),
    iso(call.ended_at),
    call.duration_ms,
    call.direction,
    call.source,
    call.phase,
    call.flags.join(' '),
    call.totals.sealed,
    call.totals.unheard,
    call.totals.erased,
    call.totals.lost,
    call.totals.on_hold,
    call.totals.silent,
    Object.entries(call.erased_by_reason).map(([reason, ms]) => `${reason}:${ms}`).join(' '),
    call.held_orders,
    String(call.hold),
    String(call.object_deleted),
  ]);
  return [HEAD, ...rows].map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n';
}
