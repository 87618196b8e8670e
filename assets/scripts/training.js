// The training meter: keys type by themselves, and what was entered or made changes the page in
// its place, so that the display is read out. Without this each key is a page of its own.

import { all, on } from './dom.js';
import { toast } from './toasts.js';

const MOST = 24;

async function send(form, presses) {
  const typed = form.querySelector('[name=typed]');
  const filled = new FormData(form);
  if (presses) filled.set('key', presses);
  try {
    const answer = await fetch(form.action, { method: 'POST', body: filled });
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const parts = all('[data-live]');
    if (!answer.ok || !parts.length || parts.some(({ id }) => !page.getElementById(id))) {
      throw new Error('another page than this'); // the meter is gone, or a number is wrong
    }
    parts.forEach((part) => {
      const fresh = page.getElementById(part.id);
      if (part.innerHTML !== fresh.innerHTML) part.replaceChildren(...fresh.childNodes);
    });
    if (typed) typed.value = '';
    if (form.dataset.made) toast(form.dataset.made, 'success');
  } catch {
    form.dataset.plain = '';
    form.requestSubmit(presses ? form.querySelector(`[value=${presses}]`) : undefined);
  }
}

on('click', '[data-press]', (button, event) => {
  const field = button.form.querySelector('[name=typed]');
  const { press } = button.dataset;
  if (press === 'enter') return; // the form is sent, below
  event.preventDefault();
  field.value = press === 'back' ? field.value.trimEnd().slice(0, -1) : (field.value + press).slice(0, MOST);
});

on('submit', '[data-keypad]', (form, event) => {
  if ('plain' in form.dataset) return;
  event.preventDefault();
  send(form, 'enter');
});

on('submit', '[data-training]', (form, event) => {
  if ('plain' in form.dataset) return;
  event.preventDefault();
  send(form);
});
