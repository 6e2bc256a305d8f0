// The one way to the server. Types come from openapi.yaml; a failure is a Problem, never an exception of fetch's.
import createClient from 'openapi-fetch';
import { t } from '../messages';
import type { components, paths } from './schema';

export type Call = components['schemas']['Call'];
export type Account = components['schemas']['Account'];
export type Interval = components['schemas']['Interval'];
export type Session = components['schemas']['Session'];
export type HalfSignedIn = components['schemas']['HalfSignedIn'];
export type Enrolment = components['schemas']['Enrolment'];
export type ToSign = components['schemas']['ToSign'];
export type People = components['schemas']['People'];
export type Person = components['schemas']['Person'];
export type PersonDetail = components['schemas']['PersonDetail'];
export type Draft = components['schemas']['Draft'];
export type DraftRequest = components['schemas']['DraftRequest'];
export type Form = components['schemas']['Form'];
export type LiveCall = components['schemas']['LiveCall'];
export type Private = components['schemas']['Private'];
export type SessionItem = components['schemas']['SessionItem'];
export type Order = components['schemas']['Order'];
export type Mark = components['schemas']['Mark'];
export type MissedMark = components['schemas']['MissedMark'];
export type NeedlessMark = components['schemas']['NeedlessMark'];
export type ListeningReport = components['schemas']['ListeningReport'];
export type HeldOrder = components['schemas']['HeldOrder'];
export type LogEntry = components['schemas']['LogEntry'];
export type Verification = components['schemas']['Verification'];
export type Witnesses = components['schemas']['Witnesses'];
export type System = components['schemas']['System'];
export type FieldRetention = components['schemas']['FieldRetention'];
export type FieldForecast = components['schemas']['FieldForecast'];
export type Phase = components['schemas']['Phase'];
export type Direction = components['schemas']['Direction'];

export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
  ) {
    super(status === 0 ? t.problem.network : t.problem.status(status, title, detail));
  }
}

const listeners = { unauthorised: () => {}, reached: (_good: boolean) => {} };
export const onUnauthorised = (act: () => void): void => void (listeners.unauthorised = act);
export const onReached = (act: (good: boolean) => void): void => void (listeners.reached = act);

export const client = createClient<paths>({
  baseUrl: location.origin,
  headers: { 'X-Callward': '1' },
  credentials: 'same-origin',
});

type Answer<T> = { data?: T; error?: unknown; response: Response };

function problemOf(status: number, body: unknown): Problem {
  const said = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  return new Problem(status, String(said.title ?? 'failed'), String(said.detail ?? ''));
}

// Awaits a request and gives its data or throws a Problem. A 401 leads to sign-in, but not while signing in.
export async function ask<T>(request: Promise<Answer<T>>, signingIn = false): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await request;
  } catch {
    listeners.reached(false);
    throw new Problem(0, '', '');
  }
  listeners.reached(true);
  if (answer.response.ok) return answer.data as T;
  if (answer.response.status === 401 && !signingIn) listeners.unauthorised();
  throw problemOf(answer.response.status, answer.error);
}

