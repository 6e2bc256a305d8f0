// What is known of a customer without a value: chips, cases, the receipt.
import { ask, client } from '../../api/client';
import type { components } from '../../api/schema';

export type Customer = components['schemas']['Customer'];
export type Receipt = components['schemas']['Receipt'];

export class CustomerModel {
  customer = $state.raw<Customer | null>(null);
  policy = $state.raw<components['schemas']['Policy'] | null>(null);
  state = $state<'loading' | 'good' | 'gone' | 'failed'>('loading');
  why = $state('');
  constructor(readonly id: string) {}

  async load(): Promise<void> {
    try {
      this.policy ??= await ask(client.GET('/v1/policy'));
      this.customer = await ask(client.GET('/v1/customers/{id}', { params: { path: { id: this.id } } }));
      this.state = 'good';
    } catch (error) {
      this.why = (error as Error).message;
      this.state = (error as { status?: number }).status === 404 ? 'gone' : 'failed';
    }
  }
  async loadReceipt(): Promise<Receipt> {
    const given = await ask(client.GET('/v1/customers/{id}/receipt', { params: { path: { id: this.id } } }));
    return given as Receipt;
  }
  async eraseField(leaf: number, reason: string): Promise<void> {
    await ask(client.POST('/v1/customers/{id}/fields/{leaf}/erasure', { params: { path: { id: this.id, leaf } }, body: { reason } }));
    await this.load();
  }
  async eraseAll(reason: string): Promise<'accepted' | 'held'> {
    const { outcome } = await ask(client.POST('/v1/customers/{id}/erasure', { params: { path: { id: this.id } }, body: { reason } }));
    return outcome;
  }
  async hold(state: 'set' | 'lifted', reason: string): Promise<void> {
    await ask(client.POST('/v1/customers/{id}/hold', { params: { path: { id: this.id } }, body: { state, reason } }));
    await this.load();
  }
  async closeCase(number: number): Promise<void> {
    await ask(client.POST('/v1/customers/{id}/cases/{case}/closure', { params: { path: { id: this.id, case: number } }, body: {} }));
    await this.load();
  }
}
