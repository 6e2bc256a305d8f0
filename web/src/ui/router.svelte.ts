// Addresses are the only state that a page keeps: filters, the place in a call.
export interface Route {
  page:
    | 'calls' | 'call' | 'proof' | 'listening' | 'log' | 'system' | 'retention'
    | 'desk' | 'customer' | 'requests' | 'request'
    | 'people' | 'person' | 'me' | 'consent'
    | 'signIn' | 'enrol' | 'form' | 'lost';
  id: string;
  query: URLSearchParams;
}

const PAGES: [RegExp, Route['page']][] = [
  [/^\/(?:calls)?$/, 'calls'],
  [/^\/calls\/([0-9a-f]{32})$/, 'call'],
  [/^\/calls\/([0-9a-f]{32})\/proof$/, 'proof'],
  [/^\/desk$/, 'desk'],
  [/^\/customers\/([0-9a-f]{32})$/, 'customer'],
  [/^\/requests$/, 'requests'],
  [/^\/requests\/([0-9a-f]{32})$/, 'request'],
  [/^\/listening$/, 'listening'],
  [/^\/log$/, 'log'],
  [/^\/system$/, 'system'],
  [/^\/system\/retention$/, 'retention'],
  [/^\/people$/, 'people'],
  [/^\/people\/([0-9a-f]{32})$/, 'person'],
  [/^\/(?:me|sessions)$/, 'me'],
  [/^\/sign-in$/, 'signIn'],
  [/^\/enrol$/, 'enrol'],
  [/^\/form$/, 'form'],
  [/^\/consent$/, 'consent'],
];

export function parse(path: string, search: string): Route {
  for (const [pattern, page] of PAGES) {
    const found = pattern.exec(path);
    if (found) return { page, id: found[1] ?? '', query: new URLSearchParams(search) };
  }
  return { page: 'lost', id: '', query: new URLSearchParams(search) };
}

const here = (): Route => parse(location.pathname, location.search);
export const router = $state<{ route: Route }>({ route: here() });

export function go(address: string, replace = false): void {
  if (replace) history.replaceState(null, '', address);
  else history.pushState(null, '', address);
  router.route = here();
}

// The same page with other filters; what is empty leaves the address.
export function withQuery(changes: Record<string, string>): string {
  const query = new URLSearchParams(router.route.query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === '') query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  return location.pathname + (text === '' ? '' : `?${text}`);
}

addEventListener('popstate', () => (router.route = here()));
document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (!link || link.origin !== location.origin || link.target || link.hasAttribute('download')) return;
  if (link.pathname === location.pathname && link.hash) return;
  event.preventDefault();
  go(link.pathname + link.search);
});
