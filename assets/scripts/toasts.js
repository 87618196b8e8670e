// Short messages in a corner. They leave when dismissed; those with data-fade by themselves,
// but never while they are pointed at or hold the focus. A button with data-toast shows one.

import { all, on } from './dom.js';

const FADE_AFTER = 8000;
const LOOK_AGAIN = 1000;
const STAYING = ['warning', 'danger'];

/** Show a message; the tone is "success" or "info", or "warning" or "danger", which stay. */
export function toast(text, tone = 'info') {
  const copy = document.getElementById('toast-template').content.cloneNode(true);
  const element = copy.querySelector('.toast');
  element.className = `toast toast-${tone}`;
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

on('click', '.toast [data-dismiss]', (button) => {
  const element = button.closest('.toast');
  const next = element.nextElementSibling ?? element.previousElementSibling;
  element.remove();
  (next?.querySelector('[data-dismiss]') ?? document.getElementById('main'))?.focus();
});

on('click', '[data-toast]', ({ dataset }) => toast(dataset.toast, dataset.tone));

all('.toast[data-fade]').forEach((element) => fade(element));
