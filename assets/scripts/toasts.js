// Short messages in a corner. They leave when dismissed; those with data-fade by themselves,
// but never while they are pointed at or hold the focus. A button with data-toast shows one.

import { all, on } from './dom.js';

const FADE_AFTER = 8000;
const LOOK_AGAIN = 1000;
const SAY_AFTER = 300; // a screen reader tells what changes in a page, not what it came with
const SAID_BY = 2000;
const STAYING = ['warning', 'danger'];

/** Show a message; the tone is "success" or "info", or "warning" or "danger", which stay. */
export function toast(text, tone = 'info') {
  const copy = document.getElementById('toast-template').content.cloneNode(true);
  const element = copy.querySelector('.toast');
  element.className = `toast toast-${tone}`;
  if (STAYING.includes(tone)) element.role = 'alert';
  element.querySelector('p').textContent = text;
  document.getElementById('toasts').append(copy);
  if (!STAYING.includes(tone)) fade(element);
}

function fade(element, after = FADE_AFTER) {
  setTimeout(() => {
    if (element.matches(':hover, :focus-within')) fade(element, LOOK_AGAIN);
    else element.remove();
  }, after);
}

// What a page came with is said, too: its toasts come in once more, and what stands in the page is
// repeated out of sight for a moment.
function sayAnew() {
  const place = document.getElementById('toasts');
  const toasts = [...place.children];
  const stated = all('main [role="status"]').map((one) => one.textContent.trim().replace(/\s+/g, ' ')).filter(Boolean);
  place.replaceChildren();
  const said = Object.assign(document.createElement('p'), { className: 'visually-hidden no-print', role: 'status' });
  document.body.append(said);
  setTimeout(() => {
    place.append(...toasts);
    said.textContent = stated.join(' ');
  }, SAY_AFTER);
  setTimeout(() => said.remove(), SAID_BY);
}

on('click', '.toast [data-dismiss]', (button) => {
  const element = button.closest('.toast');
  const next = element.nextElementSibling ?? element.previousElementSibling;
  element.remove();
  (next?.querySelector('[data-dismiss]') ?? document.getElementById('main'))?.focus();
});

on('click', '[data-toast]', ({ dataset }) => toast(dataset.toast, dataset.tone));

// What takes the focus is not under them: the page keeps free as much as they are high.
const room = new ResizeObserver(([{ contentRect }]) => {
  document.documentElement.style.setProperty('--toasts', `${contentRect.height}px`);
});

all('#toasts').forEach((place) => room.observe(place));

all('.toast[data-fade]').forEach((element) => fade(element));
if (document.getElementById('toasts')) sayAnew();
