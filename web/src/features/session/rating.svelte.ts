// A passphrase while it is typed: asked about when whoever types pauses, and only the last answer counts.
import { charactersLacking, type Strength } from './strength';

const ASK_MS = 350;

export class Rating {
  strength = $state.raw<Strength>({ state: 'empty' });
  readonly #ask: (passphrase: string) => Promise<Strength>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;

  constructor(ask: (passphrase: string) => Promise<Strength>) {
    this.#ask = ask;
  }
  get lacks(): boolean {
    return this.strength.state === 'short' || this.strength.state === 'weak';
  }
  rate(passphrase: string): void {
    clearTimeout(this.#timer);
    const mine = ++this.#asked;
    const left = charactersLacking(passphrase);
    if (passphrase === '') this.strength = { state: 'empty' };
    else if (left > 0) this.strength = { state: 'short', left };
    else {
      this.strength = { state: 'asking' };
      this.#timer = setTimeout(() => {
        void this.#ask(passphrase).then((told) => {
          if (mine === this.#asked) this.strength = told;
        });
      }, ASK_MS);
    }
  }
  close(): void {
    clearTimeout(this.#timer);
    this.#asked += 1;
  }
}
