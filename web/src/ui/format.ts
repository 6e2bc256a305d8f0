// Numbers and times as people read them. Times stand in the site's zone, which the server names, wherever they are read.
const formats = new Map<string, Intl.DateTimeFormat>();
function format(zone: string, name: string, options: Intl.DateTimeFormatOptions, locale = 'en-GB'): Intl.DateTimeFormat {
  const key = `${zone} ${name}`;
  let found = formats.get(key);
  if (found === undefined) formats.set(key, (found = new Intl.DateTimeFormat(locale, { timeZone: zone, ...options })));
  return found;
}

// A zone that this browser does not know is no reason to show nothing.
export function zoneOr(zone: string, otherwise = 'UTC'): string {
  try {
    return new Intl.DateTimeFormat('en-GB', { timeZone: zone }).resolvedOptions().timeZone;
  } catch {
    return otherwise;
  }
}
export const browserZone = (): string => new Intl.DateTimeFormat().resolvedOptions().timeZone;

// Whether the clock of this machine shows the same, now and half a year from now: a zone has more than one name.
export function sameClock(a: string, b: string, at = Date.now()): boolean {
  const HALF_A_YEAR_MS = 182 * 86_400_000;
  return a === b || [at, at + HALF_A_YEAR_MS].every((ms) => wall(ms, a) === wall(ms, b));
}

const wall = (ms: number, zone: string): string =>
  format(zone, 'wall', { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit' }).format(ms);
const DAY = { year: 'numeric', month: '2-digit', day: '2-digit' } as const;

// In the hour that a zone has twice, when its clocks are set back, the time says which of both it is.
function which(ms: number, zone: string): string {
  const HOUR_MS = 3_600_000;
  const now = wall(ms, zone);
  if (wall(ms - HOUR_MS, zone) !== now && wall(ms + HOUR_MS, zone) !== now) return '';
  const part = format(zone, 'offset', { hour: '2-digit', timeZoneName: 'short' }).formatToParts(ms).find((one) => one.type === 'timeZoneName');
  return part === undefined ? '' : ` ${part.value}`;
}

export function clock(ms: number, zone: string, seconds = true): string {
  const options: Intl.DateTimeFormatOptions = { hour: '2-digit', minute: '2-digit', ...(seconds ? { second: '2-digit' } : {}) };
  return format(zone, seconds ? 'seconds' : 'minutes', options).format(ms) + which(ms, zone);
}

export function dateTime(ms: number, zone: string): string {
  return `${format(zone, 'day', DAY, 'en-CA').format(ms)} ${clock(ms, zone)}`;
}

export const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

export function dayName(day: string): string {
  return new Intl.DateTimeFormat('en-GB', {
    timeZone: 'UTC',
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    year: 'numeric',
  }).format(new Date(`${day}T00:00:00Z`));
}

// 7.4 s, 1:05, 1:02:03
export function duration(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n: number): string => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

// A place in a call: 0:07.4
export function place(ms: number): string {
  const tenths = Math.floor(Math.max(0, ms) / 100);
  const [h, m, s] = [Math.floor(tenths / 36_000), Math.floor(tenths / 600) % 60, Math.floor(tenths / 10) % 60];
  const tail = `${String(s).padStart(2, '0')}.${tenths % 10}`;
  return h > 0 ? `${h}:${String(m).padStart(2, '0')}:${tail}` : `${m}:${tail}`;
}

export function bytes(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export const whole = (n: number): string => new Intl.NumberFormat('en-GB').format(n);

export function ago(ms: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - ms) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor(seconds / 3600) % 24} h`;
}
