// The counter: the price while typing, one press of Sell, and waiting for a sale in doubt.

const STILL_TYPING = 150;
const STILL_READING = 900; // what the price is now is read out when the typing has ended
const LOOK_AGAIN = 2000;
const TYPED = ['mode', 'value', 'received', 'vending_point'];

function followPrice(form) {
  const value = document.getElementById('value');
  const received = document.getElementById('received');
  const quote = document.getElementById('quote');
  const sell = form.querySelector('[data-sell]');
  const said = form.querySelector('[data-quote-said]');
  let timer = 0;
  let telling = 0;
  let latest = 0;

  function write(address) {
    const kept = new FormData(form);
    TYPED.forEach((name) => {
      if (kept.get(name)) address.searchParams.set(name, kept.get(name));
      else address.searchParams.delete(name);
    });
    return address;
  }

  // What is typed stands in the page's address, too: nothing is lost when the page is loaded anew or
  // its language changes, and the next purchase has an address of its own. A form that came back with
  // a refusal stands where it can only be sent to: it gets the address of its page.
  function keep() {
    const address = new URL(form.dataset.purchase, location.href);
    address.searchParams.set('key', new FormData(form).get('key'));
    try {
      history.replaceState(history.state, '', write(address));
    } catch { /* asked too often by a fast typist; the price is asked for later, and this with it */ }
  }

  function tell(mine) {
    clearTimeout(telling);
    telling = setTimeout(() => {
      if (mine !== latest) return;
      const wrong = quote.querySelector('[data-beside], .note');
      said.textContent = (wrong ?? quote.querySelector('[data-said]'))?.textContent.trim() ?? '';
    }, STILL_READING);
  }

  function mark(wrong) {
    [value, received].forEach((field) => {
      field.classList.toggle('is-invalid', field.id === wrong);
      field.setAttribute('aria-invalid', String(field.id === wrong));
    });
  }

  async function ask() {
    keep();
    latest += 1;
    const mine = latest;
    if (!value.value.trim()) {
      quote.replaceChildren();
      said.textContent = '';
      mark();
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
        quote.innerHTML = html.replaceAll(' role="alert"', ''); // our own page, escaped where it was written
        tell(mine);
        mark(quote.querySelector('[data-beside]')?.dataset.beside);
      }
    } catch { /* the sale itself asks again */ }
    if (mine === latest) sell.disabled = false;
  }

  function changed() {
    keep();
    clearTimeout(timer);
    sell.disabled = Boolean(value.value.trim()); // until the price belongs to what is typed
    timer = setTimeout(ask, STILL_TYPING);
  }

  document.querySelectorAll('[data-keeps-typed]').forEach((link) => link.addEventListener('click', () => {
    link.href = write(new URL(link.href));
  }));
  [value, received].forEach((field) => field.addEventListener('input', changed));
  form.querySelectorAll('[name=mode]').forEach((mode) => mode.addEventListener('change', changed));
  form.querySelector('select')?.addEventListener('change', keep);
  form.addEventListener('keydown', (event) => { // Enter before the price is there asks for it at once
    if (event.key !== 'Enter' || event.target.matches('a, button')) return;
    if (sell.matches('a')) {
      sell.click(); // to the shift that must be open first
    } else if (sell.disabled) {
      clearTimeout(timer);
      ask();
    } else {
      return;
    }
    event.preventDefault();
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
    if (new URL(form.action).pathname === location.pathname) keep();
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
