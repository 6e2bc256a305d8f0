// Server-sent events; the browser resumes by itself with Last-Event-ID. "reload" means that events were missed.
import { client, ask, type Problem, type Call, type LiveCall, type Order } from './client';

type Listener = {
  call?: (call: Call) => void;
  order?: (order: Order) => void;
  request?: (told: { request: string; state: string }) => void;
  liveCall?: (mine: LiveCall) => void;
  people?: () => void;
  reload?: () => void;
};
const listeners = new Set<Listener>();
let source: EventSource | null = null;
let retry: ReturnType<typeof setTimeout> | undefined;
const RETRY_MS = 3_000;

export const live = $state({ reached: true, streaming: false });

export function listen(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function connect(): void {
  if (source !== null) return;
  clearTimeout(retry);
  const opened = new EventSource('/v1/events');
  source = opened;
  opened.addEventListener('open', () => {
    live.reached = true;
    live.streaming = true;
    // What happened before it stood is not told again: whoever shows something looks anew.
    for (const listener of listeners) listener.reload?.();
  });
  opened.addEventListener('error', () => {
    live.streaming = false;
    if (opened.readyState !== EventSource.CLOSED) return;
    disconnect();
    retry = setTimeout(() => {
      // A closed session shows here as 401 and leads to sign-in; a server that is away, as no answer.
      ask(client.GET('/v1/session')).then(connect, (problem: Problem) => problem.status === 401 || connect());
    }, RETRY_MS);
  });
  opened.addEventListener('call', (event) => {
    const call = JSON.parse(event.data) as Call;
    for (const listener of listeners) listener.call?.(call);
  });
  opened.addEventListener('order', (event) => {
    const order = JSON.parse(event.data) as Order;
    for (const listener of listeners) listener.order?.(order);
  });
  opened.addEventListener('request', (event) => {
    const told = JSON.parse(event.data) as { request: string; state: string };
    for (const listener of listeners) listener.request?.(told);
  });
  opened.addEventListener('live_call', (event) => {
    const mine = JSON.parse(event.data) as LiveCall;
    for (const listener of listeners) listener.liveCall?.(mine);
  });
  // The role chart: a change waits for a second signature.
  opened.addEventListener('people', () => {
    for (const listener of listeners) listener.people?.();
  });
  opened.addEventListener('system', (event) => {
    const { reload } = JSON.parse(event.data) as { reload?: boolean };
    if (reload) for (const listener of listeners) listener.reload?.();
  });
}

export function disconnect(): void {
  clearTimeout(retry);
  source?.close();
  source = null;
  live.streaming = false;
}
