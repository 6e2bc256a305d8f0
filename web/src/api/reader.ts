// The page's end of the reader's thread.
import workerUrl from '../reader/worker.ts?worker&url';
import type { Piece } from '../reader/opening';
import type { OpenedItem, WorkerAsk, WorkerReply } from '../reader/worker';
import { Problem } from './client';

// Trusted Types: a worker's address is a script; this policy knows one.
interface Policy {
  createScriptURL(url: string): string;
}
interface Factory {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): Policy;
}
const rules = {
  createScriptURL(url: string): string {
    if (url !== workerUrl) throw new TypeError('not an address of this console');
    return url;
  },
};
const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes;
const policy: Policy = factory ? factory.createPolicy('callward', rules) : rules;

type Waiting = { done: (items: OpenedItem[]) => void; failed: (problem: Problem) => void };

export class Reader {
  #worker = new Worker(policy.createScriptURL(workerUrl), { type: 'module' });
  #waiting = new Map<number, Waiting>();
  #last = 0;
  #closed = false;

  // `keyOf`: the page's key; it may ask the person first.
  constructor(private readonly keyOf: () => Promise<CryptoKeyPair>) {
    this.#worker.addEventListener('message', (event: MessageEvent<WorkerReply>) => {
      const reply = event.data;
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if ('items' in reply) waiting?.done(reply.items);
      else waiting?.failed(new Problem(Math.max(0, reply.status), reply.why, reply.why));
    });
  }

  async open(piece: Piece): Promise<OpenedItem[]> {
    const pair = await this.keyOf();
    if (this.#closed) throw new Problem(-1, '', '');
    const id = ++this.#last;
    return new Promise((done, failed) => {
      this.#waiting.set(id, { done, failed });
      this.#worker.postMessage({ id, piece, pair } satisfies WorkerAsk);
    });
  }

  close(): void {
    this.#closed = true;
    this.#worker.terminate();
    this.#waiting.clear();
  }
}
