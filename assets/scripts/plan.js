// The editor of a tariff plan. Its buttons send the form and take over what comes back, so the
// rows are changed by the server alone; what is typed is checked, and drawn, in the same way.

import { all } from './dom.js';

const STILL_TYPING = 300;
const FIELDS = 'input, select';

function follow(form) {
  const was = new Map();
  form.addEventListener('focusin', ({ target }) => was.set(target, target.value));
  form.addEventListener('input', ({ target }) => {
    const next = form.elements[target.dataset.follow];
    if (!next) return;
    if (!next.value || next.value === was.get(target)) next.value = target.value;
    was.set(target, target.value);
  });
}

function errorOf(field) {
  const id = `${field.id}-error`;
  const known = document.getElementById(id);
  if (known) return known;
  const made = document.createElement('div');
  made.id = id;
  made.className = 'field-error';
  made.append(document.createElement('span'));
  (field.closest('.plan-row')?.querySelector('.plan-errors') ?? field.closest('.field')).append(made);
  return made;
}

function showError(field, text) {
  const control = field.matches('.boxes') ? field.closest('fieldset') : field;
  const help = document.getElementById(`${field.id}-help`) ? `${field.id}-help` : '';
  field.classList.toggle('is-invalid', Boolean(text));
  if (text) {
    const error = errorOf(field);
    error.lastElementChild.textContent = text;
    control.setAttribute('aria-invalid', 'true');
    control.setAttribute('aria-describedby', `${help} ${error.id}`.trim());
    return;
  }
  document.getElementById(`${field.id}-error`)?.remove();
  control.removeAttribute('aria-invalid');
  if (help) control.setAttribute('aria-describedby', help);
  else control.removeAttribute('aria-describedby');
}

function showPart(part, text) {
  const place = document.getElementById(`${part}-error`);
  place.hidden = !text;
  place.querySelector('span').textContent = text ?? '';
}

function showNotes(parts, text) {
  const place = parts.querySelector('[data-plan-notes]');
  place.hidden = !text;
  place.textContent = text;
}

function edit(form) {
  const parts = form.querySelector('[data-plan-parts]');
  const said = form.querySelector('[data-plan-said]');
  const costs = document.querySelector('[data-plan-costs]');
  let timer = 0;
  let latest = 0;

  async function check() {
    latest += 1;
    const mine = latest;
    try {
      const body = new FormData(form);
      const answer = await fetch(form.dataset.check, { method: 'POST', body, redirect: 'error' });
      if (!answer.ok || mine !== latest) return;
      const found = await answer.json();
      if (mine !== latest) return;
      all(`${FIELDS}, .boxes`, parts).filter(({ id }) => id && !found.missing.includes(id))
        .forEach((field) => showError(field, found.fields[field.id]));
      ['steps', 'penalties', 'levies', 'limits'].forEach((part) => showPart(part, found.parts[part]));
      showNotes(parts, found.notes);
      if (said.textContent !== found.said) said.textContent = found.said;
      const open = costs.querySelector('details')?.open;
      costs.innerHTML = found.chart; // our own page, escaped where it was written
      if (open) costs.querySelector('details')?.setAttribute('open', '');
    } catch { /* saving says it again */ }
  }

  function checkSoon() {
    clearTimeout(timer);
    timer = setTimeout(check, STILL_TYPING);
  }

  async function act(deed, focus) {
    clearTimeout(timer);
    latest += 1; // what is being checked looks otherwise in a moment
    const body = new FormData(form);
    body.set('do', deed);
    const folds = all('details', parts).map(({ open }) => open);
    const answer = await fetch(location.href, { method: 'POST', body, redirect: 'error' });
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    const fresh = page.querySelector('[data-plan-parts]');
    if (!answer.ok || !fresh) throw new Error('no such page');
    parts.replaceChildren(...fresh.childNodes);
    all('details', parts).forEach((fold, place) => { if (folds[place]) fold.open = true; });
    costs.innerHTML = page.querySelector('[data-plan-costs]').innerHTML;
    said.textContent = page.querySelector('[data-plan-said]').textContent;
    form.dataset.unsaved = 'changed';
    (document.getElementById(focus) ?? document.getElementById(fresh.dataset.focus))?.focus();
  }

  function press(button, focus) {
    act(button.value, focus).catch(() => form.requestSubmit(button)); // as without a script
  }

  form.addEventListener('click', (event) => {
    const button = event.target.closest('button[name=do]');
    if (!button || button.value === 'save') return;
    event.preventDefault();
    press(button);
  });

  form.addEventListener('keydown', (event) => {
    const way = { ArrowUp: 'up', ArrowDown: 'down' }[event.key];
    const row = event.target.closest('[data-row]');
    if (!event.altKey || !way || !row || event.target.matches('select')) return;
    event.preventDefault();
    const [part, place] = row.dataset.row.split('.');
    const button = row.querySelector(`[value="${part}.${way}.${place}"]`);
    const goal = Number(place) + (way === 'up' ? -1 : 1);
    if (!button.disabled) press(button, event.target.id.replace(`${part}-${place}-`, `${part}-${goal}-`));
  });

  follow(form);
  form.addEventListener('input', checkSoon);
  form.addEventListener('change', checkSoon);
}

const plan = document.querySelector('form[data-plan]');
if (plan) edit(plan);
