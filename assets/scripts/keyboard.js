// Where the focus goes: to what is wrong with a form as it opens. A key presses what announces it
// in aria-keyshortcuts, or goes there where it is a field or a text; which keys there are stands in
// vmsapp/views/keys.py alone.

import { all } from './dom.js';

const TYPED_INTO = 'input, textarea, select, [contenteditable]';
const SAME_KEY = { '؟': '?', '？': '?', '／': '/' }; // as other keyboards write them
const SCANNED_WITHIN = 40; // milliseconds: nobody types so fast

let lastSign = -Infinity;

requestAnimationFrame(() => { // after autofocus
  document.querySelector('[data-focus]')?.focus({ preventScroll: true }); // what stands above is read first
  document.getElementById('errors')?.focus();
  const box = document.querySelector('#q');
  // the next search replaces it; what was typed or scanned meanwhile is the next search
  if (box?.value && box.value === box.defaultValue && document.activeElement === box) box.select();
});

// What a key is called there. With Control a letter is meant by its place: on an Arabic or Russian
// keyboard it writes another one.
function nameOf(event) {
  const command = event.ctrlKey || event.metaKey;
  const letter = command && /^Key[A-Z]$/.test(event.code) ? event.code.slice(3) : '';
  const key = letter || (SAME_KEY[event.key] ?? event.key);
  return [event.ctrlKey && 'Control', event.metaKey && 'Meta', event.altKey && 'Alt', key].filter(Boolean).join('+');
}

function announcing(name) {
  const named = (element) => element.getAttribute('aria-keyshortcuts').split(' ').includes(name);
  const found = all('[aria-keyshortcuts]:not(:checked)').filter(named);
  const shown = found.find((element) => element.checkVisibility() || element.closest('details'));
  const instead = found[0]?.id === 'top-q' ? document.querySelector('[data-palette]') : null; // on a telephone
  return shown ?? instead;
}

document.addEventListener('keydown', (event) => {
  const sign = event.key.length === 1;
  const command = event.ctrlKey || event.metaKey;
  const scanned = event.timeStamp - lastSign < SCANNED_WITHIN; // scanners send Ctrl-K between lines
  if (sign && !command) lastSign = event.timeStamp;
  if (event.shiftKey && (command || !sign)) return;
  if (sign && (command ? scanned : event.altKey || event.target.closest?.(TYPED_INTO))) return;
  if (document.querySelector('dialog[open]')) return;
  const element = announcing(nameOf(event));
  if (!element) return;
  event.preventDefault();
  if (element.matches('input:not([type=radio]), [tabindex="-1"]')) {
    element.focus();
    element.select?.();
  } else {
    element.click();
  }
});

// In a form[data-enter-next] Enter goes on to the next field that is still empty, and sends the form
// only from where none follows. What the browser filled in by itself is not empty, though it may
// keep it from us.
document.addEventListener('keydown', (event) => {
  const form = event.target.closest?.('form[data-enter-next]');
  if (event.key !== 'Enter' || event.isComposing || !form || !event.target.matches('input')) return;
  const fields = [...form.querySelectorAll('input:not([type=hidden])')];
  const next = fields.slice(fields.indexOf(event.target) + 1).find((field) => !field.value && !field.matches(':autofill'));
  if (!next) return;
  event.preventDefault();
  next.focus();
});

// The arrow keys go through what a search found, from the search box down and back up. Whatever is
// typed or scanned meanwhile is the next search, and Escape goes back to the box.
document.addEventListener('keydown', (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const hits = [...document.querySelectorAll('[data-hits] a')];
  const at = hits.indexOf(document.activeElement);
  const box = document.querySelector('#q');
  const typed = event.key.length === 1 && event.key !== ' ' && !event.ctrlKey && !event.metaKey && !event.altKey;
  if (box && at >= 0 && (typed || event.key === 'Escape')) {
    box.focus();
    box.select(); // before the sign arrives, which then replaces what was searched
    return;
  }
  if (!step || !hits.length || (at < 0 && document.activeElement !== box)) return;
  event.preventDefault();
  (hits[at + step] ?? (at + step < 0 ? box : hits[at])).focus();
});
