// Opens the browser's print dialog: on [data-print], and at once where printing was confirmed.
// What stands in data-copies is printed so many times; data-print-now names where the focus
// goes when the dialog is closed.

import { on } from './dom.js';

const PER_MILLIMETRE = 96 / 25.4;
const ROLLS = { '80mm': 80, '58mm': 58 };

function copied(place) {
  const one = place.firstElementChild;
  return Array.from({ length: place.dataset.copies - 1 }, () => place.appendChild(one.cloneNode(true)));
}

// A roll's page is as long as the receipt; only the script knows how long that is.
function fitPage(place) {
  const slip = place.firstElementChild;
  const paper = Object.keys(ROLLS).find((size) => slip.classList.contains(`slip-${size}`));
  if (!paper) return;
  const length = Math.ceil(slip.getBoundingClientRect().height / PER_MILLIMETRE) + 1;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`@page { size: ${ROLLS[paper]}mm ${length}mm; margin: 0 }`);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}

function print(focusNext) {
  const copies = [...document.querySelectorAll('[data-copies]')].flatMap(copied);
  window.addEventListener('afterprint', () => {
    copies.forEach((copy) => copy.remove());
    if (focusNext) document.getElementById(focusNext)?.focus();
  }, { once: true });
  window.print();
}

on('click', '[data-print]', () => print());

const confirmed = document.querySelector('[data-print-now]');
if (confirmed) {
  fitPage(confirmed);
  const [arrival] = performance.getEntriesByType('navigation');
  // gone back to, or loaded again, the page prints nothing by itself
  if (arrival?.type === 'navigate') {
    const seen = () => print(confirmed.dataset.printNow);
    window.addEventListener('load', () => requestAnimationFrame(() => setTimeout(seen))); // after autofocus
  }
}
