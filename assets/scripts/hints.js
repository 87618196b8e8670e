// A hint leaves by one press, without loading the page anew: nothing typed is lost.

import { on } from './dom.js';

on('submit', '[data-hint] form', async (form, event) => {
  event.preventDefault();
  const filled = new FormData(form, event.submitter);
  form.closest('[data-hint]').remove();
  document.getElementById('main').focus({ preventScroll: true });
  try {
    await fetch(form.action, { method: 'POST', body: filled, redirect: 'manual' });
  } catch { /* it is shown once more, another time */ }
});
