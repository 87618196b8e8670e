// The counter: the price while typing, one press of Sell, and waiting for a sale in doubt.

const STILL_TYPING = 150;
const LOOK_AGAIN = 2000;

function followPrice(form) {
  const value = document.getElementById('value');
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
    const { value: mode } = form.querySelector('[name=mode]:checked');
    const kept = new FormData(form);
    const query = new URLSearchParams({ mode, value: value.value, key: kept.get('key') });
    if (kept.get('vending_point')) query.set('vending_point', kept.get('vending_point'));
    try {
      const answer = await fetch(`${form.dataset.quote}?${query}`, { redirect: 'error' });
      const html = await answer.text();
      if (mine === latest) {
        quote.innerHTML = html; // our own page, escaped where it was written
        value.classList.toggle('is-invalid', !answer.ok);
        value.setAttribute('aria-invalid', String(!answer.ok));
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
    ['mode', 'value', 'vending_point'].forEach((name) => {
      if (kept.get(name)) address.searchParams.set(name, kept.get(name));
    });
    link.href = address;
  }));
  value.addEventListener('input', changed);
  form.querySelectorAll('[name=mode]').forEach((mode) => mode.addEventListener('change', changed));
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
