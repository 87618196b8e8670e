// Where one goes on after a list came anew: who sorted it by a key stands at its head again, who
// turned a page or did something to rows at its rows. Not after a click, which has left no place.

import { on } from './dom.js';

const PLACE = 'go-on-at';

/** The same page, when it comes anew, gives the focus to what the selector finds. */
export function goOnAt(selector) {
  try {
    sessionStorage.setItem(PLACE, JSON.stringify({ path: location.pathname, selector }));
  } catch { /* a browser told to keep nothing */ }
}

function takePlace() {
  try {
    const { path, selector } = JSON.parse(sessionStorage.getItem(PLACE)) ?? {};
    sessionStorage.removeItem(PLACE);
    return path === location.pathname ? selector : '';
  } catch {
    return '';
  }
}

const byKey = ({ detail }) => detail === 0;

on('click', '.sort', (_, event) => { if (byKey(event)) goOnAt('[aria-sort] .sort'); });
on('click', '.turns a', (_, event) => { if (byKey(event)) goOnAt('.rows'); });
on('click', '.bulk button', (_, event) => { if (byKey(event)) goOnAt('.rows'); });

const place = takePlace();
if (place) document.querySelector(place)?.focus();
