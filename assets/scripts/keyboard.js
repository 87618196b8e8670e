// Where the focus goes: to what is wrong with a form as it opens, and with "/" to the search.
// What has a key of its own (data-key, such as F8) is pressed by it, wherever the focus is.

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

document.addEventListener('keydown', (event) => {
  const wanted = !event.ctrlKey && !event.metaKey && !event.altKey && !event.shiftKey
    && document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!wanted || document.querySelector('dialog[open]')) return;
  event.preventDefault();
  wanted.click();
});
