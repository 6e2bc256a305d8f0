// Light, dark, or as the system says; remembered in this browser.
export type Theme = 'system' | 'light' | 'dark';
const KEY = 'callward.theme';
const ORDER: Theme[] = ['system', 'light', 'dark'];

function stored(): Theme {
  const word = localStorage.getItem(KEY);
  return ORDER.find((theme) => theme === word) ?? 'system';
}

export const theme = $state({ chosen: stored(), changes: 0 });

export function applyTheme(): void {
  if (theme.chosen === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.chosen;
  theme.changes += 1;
}

export function setTheme(next: Theme): void {
  theme.chosen = next;
  localStorage.setItem(KEY, next);
  applyTheme();
}

export const nextTheme = (): Theme => ORDER[(ORDER.indexOf(theme.chosen) + 1) % ORDER.length]!;

// Canvases draw with colours, not with rules: they draw again when this changes.
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => (theme.changes += 1));
