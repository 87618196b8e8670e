// Reads a part of the page anew each minute, from the address in data-refresh: while it is
// seen, and while nobody is in it with the keyboard.

import { all } from './dom.js';
import { drawCharts } from './large.js';

const A_MINUTE = 60_000;

async function refresh(part) {
  if (document.hidden || part.contains(document.activeElement)) return;
  try {
    const answer = await fetch(part.dataset.refresh, { redirect: 'error' });
    if (!answer.ok) return;
    const html = await answer.text();
    if (part.contains(document.activeElement)) return;
    part.innerHTML = html;
    drawCharts(part);
  } catch {
    // the server is away: the figures say as of when they are
  }
}

all('[data-refresh]').forEach((part) => { setInterval(refresh, A_MINUTE, part); });
