// The two large scripts, fetched by the pages alone that have a use for them. The element
// that loads this script says where they are, in data-lookup and data-charts.

import { all } from './dom.js';

const addresses = document.currentScript.dataset;
const lookups = all('select[data-lookup]');

async function loadLookups() {
  const { enhance } = await import(addresses.lookup);
  lookups.forEach(enhance);
}

/** Draw the charts of a part of the page. */
export async function drawCharts(part) {
  const charts = all('[data-chart]', part);
  if (!charts.length) return;
  const { draw } = await import(addresses.charts);
  charts.forEach(draw);
}

if (lookups.length) loadLookups();
window.addEventListener('load', () => drawCharts(document));
