// The two large scripts, fetched by the pages alone that have a use for them. The element
// that loads this script says where they are, in data-lookup and data-charts.

import { all } from './dom.js';

const addresses = document.currentScript.dataset;
const lookups = all('select[data-lookup]');
const charts = all('[data-chart]');

async function loadLookups() {
  const { enhance } = await import(addresses.lookup);
  lookups.forEach(enhance);
}

async function loadCharts() {
  const { draw } = await import(addresses.charts);
  charts.forEach(draw);
}

if (lookups.length) loadLookups();
if (charts.length) window.addEventListener('load', loadCharts);
