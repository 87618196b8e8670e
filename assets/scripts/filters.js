// The forms at a list: sent on choosing, empty fields left out of the address, and the
// chosen comparison put into the name of the field it belongs to.

import { all, on } from './dom.js';
import { goOnAt } from './goon.js';

// A choice from the open list is sent at once. The arrow keys and letters pass by others on a closed
// one: what they choose is sent by Enter or on leaving.
const SENDING = 'select[data-submit-on-change]';
let passing = false;
let waiting = null;

function send(select) {
  if (waiting) goOnAt(`#${CSS.escape(select.id)}`);
  waiting = null;
  select.form.requestSubmit();
}

on('pointerdown', SENDING, () => { passing = false; });

on('keydown', SENDING, (select, event) => {
  passing = !event.altKey && !['Enter', ' ', 'F4'].includes(event.key); // these open the list
  if (event.key !== 'Enter' || !waiting) return;
  event.preventDefault();
  send(select);
});

on('change', SENDING, (select) => {
  if (passing) waiting = select;
  else send(select);
});

on('focusout', SENDING, (select) => {
  if (waiting && document.hasFocus()) send(select);
});

on('change', 'select[data-operator]', (operator) => {
  const column = operator.dataset.operator;
  const fields = `[name^="_flt_"][name$="_${CSS.escape(column)}"]`;
  all(fields, operator.parentElement).forEach((field) => {
    field.name = `_flt_${operator.value}_${column}`;
  });
});

on('formdata', '[data-empty-out]', (form, { formData }) => {
  [...new Set(formData.keys())].forEach((name) => {
    const given = formData.getAll(name).filter((value) => value !== '');
    formData.delete(name);
    given.forEach((value) => formData.append(name, value));
  });
});
