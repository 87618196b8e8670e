// On a telephone a row is a card, in which each cell says what it is. A long table comes without
// these words, which stand in its head, and without the roles that keep it a table there.

import { all } from './dom.js';

const ROLES = { TH: 'rowheader', TD: 'cell' };

// A box is a stop of the tabulator only while its table can be scrolled.
const measured = new ResizeObserver((entries) => entries.forEach(({ target: box }) => {
  const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
  box.tabIndex = scrolls || box === document.activeElement ? 0 : -1;
}));

all('.table-box[tabindex]').forEach((box) => measured.observe(box));

for (const table of all('table[data-long]')) {
  const labels = all('thead th', table).map((head) => head.textContent.trim());
  for (const row of table.tBodies[0].rows) {
    row.role = 'row';
    for (const cell of row.cells) {
      cell.role = ROLES[cell.tagName];
      if (cell.matches('td:not(.pick, .tools)')) cell.dataset.label = labels[cell.cellIndex];
    }
  }
}
