// The overview of keys over a page, those of the page first: what announces a key is on it, or what
// a script knows it by.

import { all, on } from './dom.js';

const sheet = document.querySelector('#keys');

function isHere({ dataset: { key, foundBy } }) {
  const main = document.getElementById('main');
  if (foundBy) return Boolean(main.querySelector(foundBy));
  return all('[aria-keyshortcuts]', main).some((one) => one.getAttribute('aria-keyshortcuts') === key);
}

async function fill(address) {
  const body = sheet.querySelector('.sheet-body');
  const answer = await fetch(address, { redirect: 'error' });
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const table = page.getElementById('keys-table');
  const here = all('[data-key]', table).filter(isHere);
  body.replaceChildren(...table.childNodes);
  if (!here.length) return;
  const first = document.createElement('section');
  first.className = 'keys-here';
  const title = Object.assign(document.createElement('h3'), { className: 'section-title', textContent: sheet.dataset.here });
  const rows = document.createElement('dl');
  rows.append(...here.map((row) => row.cloneNode(true)));
  first.append(title, rows);
  body.prepend(first);
}

on('click', '[data-keys]', async (link, event) => {
  if (!sheet || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const menu = link.closest('details[open]');
  menu?.querySelector('summary').focus(); // where the closed overview gives the focus back
  menu?.removeAttribute('open');
  try {
    await fill(link.href);
    sheet.showModal();
  } catch {
    location.assign(link.href);
  }
});
