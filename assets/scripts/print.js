// Prints the page, and tells the server when it wants to know (data-printed, data-csrf).
// What stands in data-copies is printed so many times.

import { on } from './dom.js';

function tell({ printed, csrf }) {
  fetch(printed, { method: 'POST', headers: { 'X-CSRFToken': csrf } }).catch(() => {});
}

function copied(place) {
  const one = place.firstElementChild;
  return Array.from({ length: place.dataset.copies - 1 }, () => place.appendChild(one.cloneNode(true)));
}

on('click', '[data-print]', ({ dataset }) => {
  if (dataset.printed) tell(dataset);
  const copies = [...document.querySelectorAll('[data-copies]')].flatMap(copied);
  window.addEventListener('afterprint', () => copies.forEach((copy) => copy.remove()), { once: true });
  window.print();
});
