// Warns before a page is left on which a form[data-unsaved] was changed and not sent.
// A form that comes back with errors is written as data-unsaved="changed".

const CHANGED = 'changed';

function noteChange({ target }) {
  const form = target.form ?? target.closest?.('form');
  if (form?.matches('[data-unsaved]')) form.dataset.unsaved = CHANGED;
}

document.addEventListener('input', noteChange);
document.addEventListener('change', noteChange);

document.addEventListener('submit', ({ target: form, defaultPrevented }) => {
  if (form.matches('[data-unsaved]') && !defaultPrevented) form.dataset.unsaved = '';
});

window.addEventListener('beforeunload', (event) => {
  if (document.querySelector(`form[data-unsaved="${CHANGED}"]`)) event.preventDefault();
});
