// The forms above a list: sent on choosing, empty fields left out of the address, and the
// chosen comparison put into the name of the field it belongs to.

import { all, on } from './dom.js';

on('change', '[data-submit-on-change]', ({ form }) => form.requestSubmit());

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
