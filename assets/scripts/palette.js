// The palette: a box over the page for pages, meters and consumers. The focus stays in the box; the
// arrow keys choose, Enter opens what is chosen. Whoever presses Enter before the answer is there,
// as a scanner does, is led by the server.

import { all, on } from './dom.js';
import { recent } from './recent.js';

const STILL_TYPING = 120;
const STILL_READING = 700; // a screen reader is told the count when the typing has ended

const dialog = document.querySelector('#palette');
const box = dialog?.querySelector('input');
const form = dialog?.querySelector('form');
const list = dialog?.querySelector('[role=listbox]');
const said = dialog?.querySelector('[data-said]');
let shown = ''; // the text whose answer is in the list
let latest = 0;
let asking = 0;
let telling = 0;

const options = () => all('[role=option]', list);

function choose(option) {
  options().forEach((one) => one.setAttribute('aria-selected', String(one === option)));
  if (option) box.setAttribute('aria-activedescendant', option.id);
  else box.removeAttribute('aria-activedescendant');
  option?.scrollIntoView({ block: 'nearest' });
}

function fill(nodes, count) {
  list.replaceChildren(...nodes);
  const [first] = options();
  box.setAttribute('aria-expanded', String(Boolean(first)));
  list.hidden = !first;
  choose(first);
  clearTimeout(telling);
  said.classList.toggle('visually-hidden', Boolean(first)); // who sees the list needs no count
  if (!first) said.textContent = count;
  else telling = setTimeout(() => { said.textContent = count; }, STILL_READING);
}

function element(name, text, attributes) {
  const made = Object.assign(document.createElement(name), { textContent: text });
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  return made;
}

function fillRecent() {
  const title = list.dataset.recentTitle;
  const links = recent().map((page, i) => element('a', page.title, {
    role: 'option', id: `palette-${i + 1}`, tabindex: '-1', href: page.url, dir: 'auto',
  }));
  const group = element('div', '', { role: 'group', 'aria-label': title });
  group.append(element('p', title, { class: 'palette-group', 'aria-hidden': 'true' }), ...links);
  shown = '';
  fill(links.length ? [group] : [], '');
}

async function ask() {
  const text = box.value.trim();
  latest += 1;
  const mine = latest;
  if (!text) {
    fillRecent();
    return;
  }
  try {
    const answer = await fetch(`${form.dataset.look}?${new URLSearchParams({ q: text })}`, { redirect: 'error' });
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const count = page.querySelector('[data-count]');
    if (mine !== latest || !answer.ok || !count) return;
    count.remove();
    shown = text;
    fill(page.body.childNodes, count.textContent);
  } catch { /* Enter asks the server all the same */ }
}

function open() {
  box.value = '';
  said.textContent = '';
  fillRecent();
  dialog.showModal();
  box.focus();
}

function step(key) {
  const found = options();
  const at = found.findIndex((one) => one.id === box.getAttribute('aria-activedescendant'));
  const goal = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: found.length - 1 }[key];
  choose(found[(goal + found.length) % found.length]);
}

if (dialog) {
  on('click', '[data-palette]', (link, event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // in a tab of its own
    event.preventDefault();
    open();
  });
  box.addEventListener('input', () => {
    clearTimeout(asking);
    asking = setTimeout(ask, STILL_TYPING);
  });
  box.addEventListener('keydown', (event) => {
    const moves = ['ArrowDown', 'ArrowUp'].includes(event.key) || (['Home', 'End'].includes(event.key) && !box.value);
    if (event.isComposing || event.altKey || event.ctrlKey || event.metaKey || !options().length || !moves) return;
    event.preventDefault();
    step(event.key);
  });
  form.addEventListener('submit', (event) => {
    const chosen = document.getElementById(box.getAttribute('aria-activedescendant') ?? '');
    if (box.value.trim() && box.value.trim() !== shown) return; // the answer is not there yet
    event.preventDefault();
    chosen?.click();
  });
  on('click', '#palette [role=option]', () => dialog.close());
}

on('click', 'dialog [data-close]', (button) => button.closest('dialog').close());
on('click', 'dialog', (place, event) => { // beside the window
  if (event.target === place && place.matches('#palette, #keys')) place.close();
});
