// The time, once a second, as long as something on the screen shows it.
import { createSubscriber } from 'svelte/reactivity';

const SECOND_MS = 1_000;
const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, SECOND_MS);
  return () => clearInterval(timer);
});
export const ticking = {
  get now(): number {
    subscribe();
    return Date.now();
  },
};
