// Where the focus goes: to what is wrong with a form as it opens, and with "/" to the search.
// F keys press what announces them, or go there where it is a field.

const TYPED_INTO = 'input, textarea, select, [contenteditable]';

requestAnimationFrame(() => { // after autofocus
  document.querySelector('[data-focus]')?.focus({ preventScroll: true }); // what stands above is read first
  document.getElementById('errors')?.focus();
  const box = document.getElementById('q');
  if (box?.value && document.activeElement === box) box.select(); // the next search replaces it
});

document.addEventListener('keydown', (event) => {
  const elsewhere = event.target.closest?.(`${TYPED_INTO}, dialog`);
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || elsewhere) return;
  const search = document.getElementById('top-q');
  if (!search) return;
  event.preventDefault();
  search.focus();
  search.select();
});

// A key that a link, button or field announces, also while something is typed.
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  if (!/^F\d+$/.test(event.key) || document.querySelector('dialog[open]')) return;
  const element = document.querySelector(`[aria-keyshortcuts="${event.key}"]:not(:checked)`);
  if (!element) return;
  event.preventDefault();
  if (element.matches('input:not([type=radio])')) {
    element.focus();
    element.select();
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
  const box = document.getElementById('q');
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
