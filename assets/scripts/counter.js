// The counter: the price while typing, one press of Sell, and waiting for a sale in doubt.

const STILL_TYPING = 150;
const LOOK_AGAIN = 2000;

function followPrice(form) {
  const value = document.getElementById('value');
  const received = document.getElementById('received');
  const quote = document.getElementById('quote');
  const sell = form.querySelector('[data-sell]');
  let timer = 0;
  let latest = 0;

  async function ask() {
    latest += 1;
    const mine = latest;
    if (!value.value.trim()) {
      quote.replaceChildren();
      return;
    }
    const kept = new FormData(form);
    const query = new URLSearchParams({ mode: kept.get('mode'), value: value.value, key: kept.get('key') });
    if (received.value.trim()) query.set('received', received.value);
    if (kept.get('vending_point')) query.set('vending_point', kept.get('vending_point'));
    try {
      const answer = await fetch(`${form.dataset.quote}?${query}`, { redirect: 'error' });
      const html = await answer.text();
      if (mine === latest) {
        quote.innerHTML = html; // our own page, escaped where it was written
        const wrong = quote.querySelector('[data-beside]')?.dataset.beside;
        [value, received].forEach((field) => {
          field.classList.toggle('is-invalid', field.id === wrong);
          field.setAttribute('aria-invalid', String(field.id === wrong));
        });
      }
    } catch { /* the sale itself asks again */ }
    if (mine === latest) sell.disabled = false;
  }

  function changed() {
    clearTimeout(timer);
    sell.disabled = Boolean(value.value.trim()); // until the price belongs to what is typed
    timer = setTimeout(ask, STILL_TYPING);
  }

  document.querySelectorAll('[data-keeps-typed]').forEach((link) => link.addEventListener('click', () => {
    const kept = new FormData(form);
    const address = new URL(link.href);
    ['mode', 'value', 'vending_point', 'received'].forEach((name) => {
      if (kept.get(name)) address.searchParams.set(name, kept.get(name));
    });
    link.href = address;
  }));
  [value, received].forEach((field) => field.addEventListener('input', changed));
  form.querySelectorAll('[name=mode]').forEach((mode) => mode.addEventListener('change', changed));
  form.addEventListener('keydown', (event) => { // Enter before the price is there asks for it at once
    if (event.key !== 'Enter' || !sell.disabled || event.target.matches('a, button')) return;
    event.preventDefault();
    clearTimeout(timer);
    ask();
  });
  form.addEventListener('click', (event) => {
    const quick = event.target.closest('[data-quick]');
    if (!quick) return;
    event.preventDefault();
    form.querySelector('[name=mode][type=radio][value=amount]')?.click();
    value.value = quick.dataset.quick;
    changed();
    value.focus();
  });
  form.addEventListener('submit', () => {
    setTimeout(() => { sell.disabled = true; }, 0);
  });
  window.addEventListener('pageshow', () => { // typed before this script ran, or before coming back
    sell.disabled = false;
    if (value.value.trim() && !quote.children.length) ask();
  });
}

function followSale({ dataset: { state: address } }) {
  setInterval(async () => {
    try {
      const answer = await fetch(address);
      if (answer.ok && (await answer.json()).state !== 'pending') location.reload();
    } catch { /* asked again in a moment */ }
  }, LOOK_AGAIN);
}

const purchase = document.querySelector('form[data-purchase]');
if (purchase) followPrice(purchase);

const waiting = document.querySelector('#waiting[data-state]');
if (waiting) followSale(waiting);
