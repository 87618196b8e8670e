// Small helps for fields: boxes that stand for some of a set, and usual amounts to press.

import { all, on } from './dom.js';

all('[data-some]').forEach((box) => { box.indeterminate = true; });

on('click', '[data-fill][data-for]', ({ dataset }) => {
  const field = document.getElementById(dataset.for);
  field.value = dataset.fill;
  field.dispatchEvent(new Event('input', { bubbles: true }));
  field.focus();
});
