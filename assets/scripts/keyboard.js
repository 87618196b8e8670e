// Where the focus goes: to what is wrong with a form as it opens, and with "/" to the search.
// F keys press what announces them.

const TYPED_INTO = 'input, textarea, select, [contenteditable]';

requestAnimationFrame(() => document.getElementById('errors')?.focus()); // after autofocus

document.addEventListener('keydown', (event) => {
  const elsewhere = event.target.closest?.(`${TYPED_INTO}, dialog`);
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey || elsewhere) return;
  const search = document.getElementById('top-q');
  if (!search) return;
  event.preventDefault();
  search.focus();
  search.select();
});

// A key that a link or button announces presses it, also while something is typed.
document.addEventListener('keydown', (event) => {
  if (!/^F\d+$/.test(event.key) || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  const announced = document.querySelector(`[aria-keyshortcuts="${event.key}"]`);
  if (!announced || document.querySelector('dialog[open]')) return;
  event.preventDefault();
  announced.click();
});
