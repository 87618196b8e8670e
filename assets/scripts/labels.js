// On a telephone a row is a card, in which each cell says what it is. A long table comes without
// these words, which stand in its head, and without the roles that keep it a table there.

import { all } from './dom.js';

const ROLES = { TH: 'rowheader', TD: 'cell' };

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
