// The groups of the side menu stay as the person left them, until the browser's tab closes. Where
// the menu opens over the page it takes the focus, and it closes when the focus leaves it.

import { all, on } from './dom.js';

const PLACE = 'open-groups';

function remembered() {
  try {
    return new Set(JSON.parse(sessionStorage.getItem(PLACE)));
  } catch {
    return new Set(); // a browser told to keep nothing
  }
}

function remember(names) {
  try {
    sessionStorage.setItem(PLACE, JSON.stringify([...names]));
  } catch { /* the same */ }
}

on('click', 'details[data-keep] > summary', ({ parentElement: group }) => {
  const names = remembered();
  if (group.open) names.delete(group.dataset.keep); // the click is about to close it
  else names.add(group.dataset.keep);
  remember(names);
});

const side = document.getElementById('side');

side?.addEventListener('toggle', ({ newState }) => {
  if (newState === 'open') side.querySelector('a').focus();
});

document.addEventListener('focusin', ({ target }) => {
  if (side?.matches(':popover-open') && !side.contains(target)) side.hidePopover();
});

all('details[data-keep]').forEach((group) => {
  group.open ||= remembered().has(group.dataset.keep);
});
