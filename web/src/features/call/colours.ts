// The tokens as colours for a canvas: resolved by the browser, so that light and dark need no second table.
const NAMES = ['sealed', 'unheard', 'erased', 'erased-fill', 'held', 'held-fill', 'lost', 'lost-fill', 'on-hold', 'silent', 'customer', 'agent', 'surface', 'sunken', 'line', 'muted'] as const;
export type Colours = Record<(typeof NAMES)[number], string>;

export function coloursOf(element: HTMLElement): Colours {
  const probe = document.createElement('span');
  element.append(probe);
  const out = {} as Colours;
  for (const name of NAMES) {
    probe.style.color = `var(--${name})`;
    out[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return out;
}
