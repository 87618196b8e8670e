// Small menus are <details class="pop">: one is open at a time; Escape, a click elsewhere
// and leaving with the focus close it; the arrow keys walk through it.

import { all, on } from './dom.js';

const OPEN = 'details.pop[open]';

function closeAllBut(place) {
  all(OPEN)
    .filter((menu) => !menu.contains(place))
    .forEach((menu) => { menu.open = false; });
}

function closeAndReturn(menu) {
  menu.open = false;
  menu.querySelector('summary').focus();
}

function step(menu, key) {
  const items = all('a[href], button:enabled', menu);
  const here = items.indexOf(document.activeElement);
  const next = key === 'ArrowDown' ? (here + 1) % items.length : Math.max(here, 0) - 1;
  items.at(next)?.focus();
}

on('submit', `${OPEN} form:has([data-file])`, (form) => closeAndReturn(form.closest(OPEN))); // the page stays

document.addEventListener('click', ({ target }) => closeAllBut(target));
document.addEventListener('focusin', ({ target }) => closeAllBut(target));

document.addEventListener('keydown', (event) => {
  const menu = document.activeElement.closest(OPEN) ?? document.querySelector(OPEN);
  if (event.key !== 'Escape' || !menu) return;
  event.preventDefault();
  closeAndReturn(menu);
});

on('keydown', `${OPEN} :is(summary, a, button)`, (item, event) => {
  if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return;
  event.preventDefault();
  step(item.closest(OPEN), event.key);
});
