// An entry in words. It holds no personal data, so neither does this.
import type { LogEntry } from '../../api/client';
import { t } from '../../messages';
import { session } from '../session/session.svelte';
import { place } from '../../ui/format';
import { isId } from './about';

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
      if (value.some((item) => typeof item === 'string' && isId(item))) parts.push(value.length === 1 ? `1 ${name.replace(/s$/, '')}` : `${value.length} ${name}`);
      else if (value.length > 0) parts.push(value.every((item) => typeof item === 'string') ? value.join(', ') : `${name} ${value.length}`);
    } else if (typeof value === 'number' || typeof value === 'boolean') parts.push(`${name.replaceAll('_', ' ')} ${value}`);
    else if (typeof value === 'string') parts.push(isId(value) ? `${name} ${value.slice(0, 8)}` : value.replaceAll('_', ' '));
  }
  return parts.filter((part) => part !== '').join(' · ');
}
