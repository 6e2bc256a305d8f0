// The token of a one-time link. It stands behind #: browsers never send that by themselves, and it leaves the address
// (and so the history) at once. Another link that is opened in the same tab begins anew.
export function takeToken(path: string): string {
  const token = location.hash.slice(1);
  history.replaceState(null, '', path);
  addEventListener('hashchange', () => location.pathname === path && location.hash !== '' && location.reload());
  return token;
}
export const isToken = (text: string): boolean => /^[0-9a-f]{64}$/.test(text);
