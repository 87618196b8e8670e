// The pages opened last in this tab, by who is signed in. They are kept by the browser alone, until
// the tab closes or another session begins: their paths without what was asked of them, and their
// titles, but of a page whose title holds the digits of a token nothing.

const PLACE = 'recent';
const MOST = 8;
const DIGITS = /(?:\d[\s\u00a0-]?){20}/;

function kept(session) {
  try {
    const { of, pages } = JSON.parse(sessionStorage.getItem(PLACE));
    return of === session ? pages : [];
  } catch {
    return []; // nothing yet, or a browser told to keep nothing
  }
}

/** What was opened before this page, the last first: {title, url}; titles of another language are left out. */
export function recent() {
  const session = document.getElementById('main')?.dataset.recent;
  const spoken = document.documentElement.lang;
  return kept(session).filter(({ url, lang }) => url !== location.pathname && lang === spoken);
}

const main = document.getElementById('main');
const session = main?.dataset.recent;
const title = main?.querySelector('h1')?.textContent.trim().replace(/\s+/g, ' ');
try {
  if (!document.querySelector('header.top')) sessionStorage.removeItem(PLACE); // signed out
  if (session && title && !DIGITS.test(title)) {
    const url = location.pathname;
    const { lang } = document.documentElement;
    const pages = [{ title, url, lang }, ...kept(session).filter((page) => page.url !== url)];
    sessionStorage.setItem(PLACE, JSON.stringify({ of: session, pages: pages.slice(0, MOST + 1) }));
  }
} catch { /* the same */ }
