// The one place that owns this page's reader key: what somebody may read comes sealed to it. It is made at sign-in and
// signed by the passkey; it lives in this page's memory and in its workers', and goes with the page. Whoever reads asks
// for it here: on a page that was loaded anew the person's passkey signs a new one first (SignAgain.svelte).
import { Problem, type Session } from '../../api/client';
import { t } from '../../messages';
import type { ReaderKey } from '../../vault/reader_key';

interface Waiting {
  done: (key: ReaderKey) => void;
  failed: (problem: Problem) => void;
}

export const freshKey = async (): Promise<ReaderKey> => (await import('../../vault/reader_key')).ReaderKey.make();

class PageKey {
  // Somebody waits for a key that only the person can make: SignAgain shows itself.
  asking = $state(false);
  #key: ReaderKey | null = null;
  #making: Promise<ReaderKey> | null = null;
  #cameBy: Session['came_by'] | '' = '';
  #waiting: Waiting[] = [];

  // A session begins, or is found again by a page that was loaded anew (then there is no key).
  begin(cameBy: Session['came_by'], key: ReaderKey | null): void {
    this.#cameBy = cameBy;
    if (key === null) return;
    this.#key = key;
    this.asking = false;
    for (const one of this.#waiting.splice(0)) one.done(key);
  }
  forget(): void {
    this.#key = null;
    this.#making = null;
    this.#cameBy = '';
    this.cancel();
  }
  cancel(): void {
    this.asking = false;
    for (const one of this.#waiting.splice(0)) one.failed(new Problem(-1, 'cancelled', t.key.cancelled));
  }
  get there(): boolean {
    return this.#key !== null;
  }

  get(): Promise<ReaderKey> {
    if (this.#key !== null) return Promise.resolve(this.#key);
    if (this.#cameBy === 'code') return Promise.reject(new Problem(403, 'code', t.key.code));
    // Without a role chart there is no passkey: the page's key is bound to nobody.
    if (this.#cameBy === 'passphrase') return (this.#making ??= freshKey().then((key) => (this.#key = key)));
    this.asking = true;
    return new Promise((done, failed) => this.#waiting.push({ done, failed }));
  }
  async pair(): Promise<CryptoKeyPair> {
    return (await this.get()).pair;
  }
}
export const pageKey = new PageKey();
