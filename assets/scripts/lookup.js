// A <select data-lookup="address"> becomes a field that searches. The address answers ?q=
// with the rows that fit, [{value, text}]; the select itself holds the chosen row alone.

import TomSelect from 'tom-select/base';

const MOST_ROWS = 20;
const AFTER_ITS_OWN = 1000; // rows of an answer stand in its order, below what the select holds
// The blank placeholder lets the styles know when something is typed (:placeholder-shown).
const INPUT = '<input type="text" autocomplete="off" size="1" placeholder=" ">';
const SAID_OF_THE_FIELD = ['aria-describedby', 'aria-invalid', 'aria-required'];

async function ask(address, query, signal) {
  const url = new URL(address, location);
  url.searchParams.set('q', query);
  const answer = await fetch(url, { signal, redirect: 'error' });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

/** Rows for what is typed now: older answers are neither shown nor taken by Enter. */
class Rows {
  constructor(address) {
    this.address = address;
    this.forget();
  }

  forget() {
    this.asking?.abort();
    this.fitting = new Set();
  }

  async load(query, done) {
    this.forget();
    this.asking = new AbortController();
    try {
      const rows = await ask(this.address, query, this.asking.signal);
      this.fitting = new Set(rows.map(({ value }) => String(value)));
      done(rows.map((row, index) => ({ ...row, $order: AFTER_ITS_OWN + index })));
    } catch {
      done();
    }
  }

  fits({ value }) {
    return this.fitting.has(String(value)) ? 1 : 0;
  }
}

function forgetWhileTyping(field, rows) {
  field.hook('before', 'onInput', () => {
    rows.forget();
    field.clearOptions((option, value) => value === '' || field.items.includes(value));
    field.clearActiveOption();
  });
}

/** No row is marked, to be taken by Enter, before something is typed or an arrow key is pressed. */
function markOnlyWhenAsked(field) {
  const refresh = field.refreshOptions.bind(field);
  field.refreshOptions = (open) => {
    const marked = field.activeOption;
    refresh(open);
    field.selectable().forEach((row) => { row.id ||= `${field.inputId}-row-${row.dataset.value}`; }); // the chosen one lacks it
    if (!marked && !field.inputValue()) field.clearActiveOption();
  };
  const press = field.onKeyDown.bind(field);
  field.onKeyDown = (event) => {
    const rows = field.isOpen && !field.activeOption ? [...field.selectable()] : [];
    if (!rows.length || !['ArrowDown', 'ArrowUp'].includes(event.key)) {
      press(event);
      return;
    }
    event.preventDefault();
    const chosen = rows.find((row) => field.items.includes(row.dataset.value));
    field.setActiveOption(chosen ?? rows.at(event.key === 'ArrowDown' ? 0 : -1));
  };
  field.hook('after', 'close', () => field.clearActiveOption());
}

/** The chosen row stands beside the input, which is empty: it is told as what describes it. */
function sayWhatIsChosen(field) {
  const input = field.control_input;
  const usual = input.getAttribute('aria-describedby');
  const say = () => {
    const chosen = [...field.control.querySelectorAll('.item')];
    chosen.forEach((item, place) => { item.id = `${field.inputId}-chosen-${place + 1}`; });
    const ids = [...chosen.map(({ id }) => id), usual].filter(Boolean);
    if (ids.length) input.setAttribute('aria-describedby', ids.join(' '));
    else input.removeAttribute('aria-describedby');
  };
  ['item_add', 'item_remove', 'clear', 'load'].forEach((happened) => field.on(happened, say));
  say();
}

function sayTheSame(select, field) {
  SAID_OF_THE_FIELD.filter((name) => select.hasAttribute(name)).forEach((name) => {
    field.control_input.setAttribute(name, select.getAttribute(name));
  });
  if (select.required) field.control_input.setAttribute('aria-required', 'true');
  select.setAttribute('aria-hidden', 'true');
  select.addEventListener('focus', () => field.focus()); // a link in the list of errors leads here
}

function words(text) {
  const element = document.createElement('div');
  element.className = 'no-results';
  element.textContent = text;
  return element;
}

/** Make the select a field that searches; data-none is said when nothing fits. */
export function enhance(select) {
  const rows = new Rows(select.dataset.lookup);
  const nothing = select.dataset.none;
  const field = new TomSelect(select, {
    allowEmptyOption: Boolean(select.querySelector('option[value=""]')?.text),
    controlInput: INPUT,
    load: (query, done) => rows.load(query, done),
    maxOptions: MOST_ROWS,
    preload: 'focus',
    refreshThrottle: 0,
    render: { no_results: nothing ? () => words(nothing) : null },
    score: () => (option) => rows.fits(option),
    searchField: [],
    shouldLoad: () => true,
  });
  forgetWhileTyping(field, rows);
  markOnlyWhenAsked(field);
  sayTheSame(select, field);
  sayWhatIsChosen(field);
}
