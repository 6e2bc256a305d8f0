// A one-time link on its way: what it is for, the passphrase as the server judges it, the passkey, the signature.
import { ask, client, type Enrolment, type Problem, type ToSign } from '../../api/client';
import { fromHex } from '../../reader/bytes';
import type { NewPasskey } from '../../vault/passkey';
import { create, signWith } from './passkeys';
import { Rating } from './rating.svelte';
import { strengthOf, type Strength } from './strength';

export class Link {
  readonly rating = new Rating((passphrase) => this.#rate(passphrase));
  made = $state.raw<NewPasskey | null>(null);
  readonly about: Enrolment;
  #token: string;

  private constructor(token: string, about: Enrolment) {
    this.#token = token;
    this.about = about;
  }
  static async open(token: string): Promise<Link> {
    return new Link(token, await ask(client.POST('/v1/enrolments/begin', { body: { token } }), true));
  }

  #rate(passphrase: string): Promise<Strength> {
    return this.#give(passphrase, { client_data: '-', authenticator_data: '00' }).then(
      () => ({ state: 'good' }) as Strength,
      (problem: Problem) => (problem.status === 400 ? strengthOf(problem.detail) : ({ state: 'unknown' } as Strength)),
    );
  }
  #give(passphrase: string, { client_data, authenticator_data }: Pick<NewPasskey, 'client_data' | 'authenticator_data'>): Promise<ToSign> {
    return ask(client.POST('/v1/enrolments/passkey', { body: { token: this.#token, passphrase, client_data, authenticator_data } }), true);
  }

  // A passkey is made once; a passphrase that was refused after all is tried with the same one.
  async give(passphrase: string): Promise<ToSign> {
    const { party, person, name, challenge } = this.about;
    this.made ??= await create(party, { id: person, name }, fromHex(challenge));
    return this.#give(passphrase, this.made);
  }
  async finish(toSign: ToSign): Promise<void> {
    const { party, person } = this.about;
    const signature = await signWith(party, person, fromHex(toSign.challenge ?? ''), [this.made!.passkey.id]);
    await ask(client.POST('/v1/enrolments/finish', { body: { token: this.#token, signature } }), true);
  }
  close(): void {
    this.rating.close();
  }
}
