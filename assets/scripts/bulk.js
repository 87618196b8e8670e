// Deeds on many rows: a form that shows once a row's box is checked, a box that checks all,
// and Shift for all rows between two.

import { all, on } from './dom.js';

const ROW = 'input[name="rowid"]';
let lastRow = null;

function rowsOf(id) {
  return all(`${ROW}[form="${CSS.escape(id)}"]:enabled`);
}

function show(id) {
  const rows = rowsOf(id);
  const chosen = rows.filter((row) => row.checked).length;
  const form = document.getElementById(id);
  if (!form) return; // a page's own form around its table
  form.hidden = chosen === 0;
  all('[data-bulk-count]', form).forEach((count) => { count.textContent = chosen; });
  all(`[data-check-all="${CSS.escape(id)}"]`).forEach((box) => {
    box.checked = chosen > 0 && chosen === rows.length;
    box.indeterminate = chosen > 0 && chosen < rows.length;
  });
}

function checkBetween(one, other) {
  const rows = rowsOf(other.form.id);
  const [from, to] = [rows.indexOf(one), rows.indexOf(other)].sort((a, b) => a - b);
  if (from < 0) return;
  rows.slice(from, to + 1).forEach((row) => { row.checked = other.checked; });
  document.getSelection().removeAllRanges(); // Shift marks the text between, too
}

on('click', ROW, (row, event) => { // the change follows it
  if (event.shiftKey && row.form) checkBetween(lastRow, row);
  lastRow = row;
});

// Enter in a box of a table ticks it, too: the browser would send the form the table stands in.
on('keydown', '.table input[type="checkbox"]', (box, event) => {
  if (event.key !== 'Enter' || event.isComposing) return;
  event.preventDefault();
  if (!event.repeat && !event.ctrlKey && !event.metaKey) box.click();
});

on('change', ROW, (row) => {
  if (row.form) show(row.form.id);
});

on('change', '[data-check-all]', ({ checked, dataset: { checkAll: id } }) => {
  rowsOf(id).forEach((row) => { row.checked = checked; });
  show(id);
});

window.addEventListener('pageshow', () => { // browsers keep boxes checked on coming back
  all('[data-check-all]').forEach((box) => show(box.dataset.checkAll));
});
