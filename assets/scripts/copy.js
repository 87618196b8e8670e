// Copies data-copy. Where a browser refuses (pages without HTTPS), the text of the element
// named by data-copy-from is selected and copied as the person would; where that is refused,
// too, it stays selected, ready for the person's own copying, and data-refused says so.

import { on } from './dom.js';
import { toast } from './toasts.js';

const SHOWN_FOR = 2000;
const showing = new WeakSet();

function showDone(button) {
  const label = button.querySelector('[data-label]') ?? button;
  const usual = label.textContent;
  if (showing.has(button)) return;
  showing.add(button);
  button.style.minInlineSize = `${button.offsetWidth}px`;
  label.textContent = button.dataset.done;
  setTimeout(() => {
    label.textContent = usual;
    button.style.minInlineSize = '';
    showing.delete(button);
  }, SHOWN_FOR);
}

function copySelected({ copyFrom, refused }) {
  const source = document.getElementById(copyFrom);
  if (source) document.getSelection().selectAllChildren(source);
  if (source && document.execCommand('copy')) return true;
  if (refused) toast(refused, 'warning');
  return false;
}

on('click', '[data-copy]', async (button) => {
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
  } catch {
    if (!copySelected(button.dataset)) return;
  }
  showDone(button);
});
