// A one-time link on its way: what it is for, the passphrase as the server judges it, the passkey, the signature.
import { ask, client, Problem, type Enrolment, type ToSign } from '../../api/client';
import { t } from '../../messages';
import { fromHex } from '../../reader/bytes';
import { challengeOf, fingerprintOf, type Change } from '../../vault/chart_change';
import { answerInvitation, isInvitation, tokenOf } from '../../vault/invitation';
import type { NewPasskey } from '../../vault/passkey';
import { create, signWith } from './passkeys';
import { Rating } from './rating.svelte';
import { strengthOf, type Strength } from './strength';

type Said = Pick<NewPasskey, 'client_data' | 'authenticator_data'> & { invitation?: string };

export class Link {
  readonly rating = new Rating((passphrase) => this.#rate(passphrase));
  made = $state.raw<NewPasskey | null>(null);
  readonly about: Enrolment;
  #tail: string; // what stood behind #
  #token: string; // what opens it at the server

  private constructor(tail: string, token: string, about: Enrolment) {
    this.#tail = tail;
    this.#token = token;
    this.about = about;
  }
  static async open(tail: string): Promise<Link> {
    const token = isInvitation(tail) ? await tokenOf(tail) : tail;
    return new Link(tail, token, await ask(client.POST('/v1/enrolments/begin', { body: { token } }), true));
  }

  #rate(passphrase: string): Promise<Strength> {
    return this.#give(passphrase, { client_data: '-', authenticator_data: '00' }).then(
      () => ({ state: 'good' }) as Strength,
      (problem: Problem) => (problem.status === 400 ? strengthOf(problem.detail) : ({ state: 'unknown' } as Strength)),
    );
  }
  #give(passphrase: string, said: Said): Promise<ToSign> {
    return ask(client.POST('/v1/enrolments/passkey', { body: { token: this.#token, passphrase, ...said } }), true);
  }

  // A passkey is made once; a passphrase that was refused after all is tried with the same one.
  async give(passphrase: string): Promise<ToSign> {
    const { party, person, name, challenge } = this.about;
    this.made ??= await create(party, { id: person, name }, fromHex(challenge));
    const { passkey, client_data, authenticator_data } = this.made;
    const invitation = isInvitation(this.#tail) ? { invitation: await answerInvitation(this.#tail, person, passkey) } : {};
    return this.#give(passphrase, { client_data, authenticator_data, ...invitation });
  }
  // Of what is offered, for who compares it.
  print(): Promise<string> {
    return fingerprintOf(this.made!.passkey);
  }
  // True: they have no role yet.
  async finish(toSign: ToSign): Promise<boolean> {
    const { party, person, kind } = this.about;
    const { passkey } = this.made!;
    const change = toSign.change as Change;
    if (change.kind !== kind || change.person !== person || change.key_id !== passkey.id || change.key !== passkey.key)
      throw new Problem(-1, 'draft', t.drafts.another);
    const signature = await signWith(party, person, await challengeOf(change), [passkey.id]);
    return (await ask(client.POST('/v1/enrolments/finish', { body: { token: this.#token, signature } }), true)).waits;
  }
  close(): void {
    this.rating.close();
  }
}
