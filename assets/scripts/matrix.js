// The matrix of permissions. A box with data-all stands for every box that names it in data-in;
// a box brings along those it data-needs, and goes when one of them goes.

import { all, on } from './dom.js';

const BOX = 'input[data-in]';
const HEAD = 'input[data-all]';

function boxesOf({ form, dataset }) {
  return all(`input[data-in~="${CSS.escape(dataset.all)}"]:enabled`, form);
}

/** A box held in part stays so until somebody touches it; then it no longer says "leave it". */
function set(box, checked) {
  box.checked = checked;
  box.indeterminate = false;
  if (box.dataset.some) document.getElementById(box.dataset.some)?.remove();
}

/** Who changed one box is told which others followed it. */
function tell({ form, checked }, others) {
  const said = form.querySelector('[data-brought]');
  const names = others.map((other) => other.getAttribute('aria-label')).join('; ');
  said.textContent = names && (checked ? said.dataset.ticked : said.dataset.cleared).replace('{}', () => names);
}

function follow(box) {
  const others = box.checked
    ? box.dataset.needs.split(' ').filter(Boolean).map((key) => `[value="${CSS.escape(key)}"]`)
    : [`[data-needs~="${CSS.escape(box.value)}"]`];
  const following = others.flatMap((which) => all(`${BOX}${which}:enabled`, box.form));
  const changed = following.filter((other) => other.checked !== box.checked || other.indeterminate);
  changed.forEach((other) => set(other, box.checked));
  return changed;
}

function show(form) {
  all(HEAD, form).forEach((head) => {
    const boxes = boxesOf(head);
    const checked = boxes.filter((box) => box.checked).length;
    head.checked = checked > 0 && checked === boxes.length;
    head.indeterminate = !head.checked && boxes.some((box) => box.checked || box.indeterminate);
    head.disabled = boxes.length === 0;
  });
}

on('change', BOX, (box) => {
  set(box, box.checked);
  tell(box, follow(box));
  show(box.form);
});

on('change', HEAD, (head) => {
  boxesOf(head).forEach((box) => {
    set(box, head.checked);
    follow(box);
  });
  show(head.form);
});

window.addEventListener('pageshow', () => { // browsers keep boxes checked on coming back
  new Set(all(HEAD).map((head) => head.form)).forEach(show);
});
