// The counter's few lines of script: the price while typing, one press of Sell, waiting, printing.
"use strict";

const form = document.querySelector(".vms-purchase");
if (form) {
  const value = form.elements.namedItem("value");
  const quote = document.getElementById("quote");
  const sell = form.querySelector("button.vms-primary");
  let timer = 0, latest = 0;

  const ask = async () => {
    const mine = ++latest;
    if (!value.value.trim()) { quote.replaceChildren(); return; }
    const mode = form.querySelector("[name=mode]:checked").value;
    const query = new URLSearchParams({ mode, value: value.value });
    try {
      const answer = await fetch(`${form.dataset.quote}?${query}`, { redirect: "error" });
      const html = await answer.text();
      if (mine === latest) quote.innerHTML = html;
    } catch { /* the sale itself asks again */ }
    if (mine === latest) sell.disabled = false;
  };
  const changed = () => {
    clearTimeout(timer);
    sell.disabled = Boolean(value.value.trim()); // until the price belongs to what is typed
    timer = setTimeout(ask, 150);
  };
  value.addEventListener("input", changed);
  form.querySelectorAll("[name=mode]").forEach((radio) => radio.addEventListener("change", changed));
  form.addEventListener("submit", () => { setTimeout(() => { sell.disabled = true; }, 0); });
  window.addEventListener("pageshow", () => { // typed before this script ran, or before coming back
    sell.disabled = false;
    if (value.value.trim() && !quote.children.length) ask();
  });
}

const waiting = document.getElementById("waiting");
if (waiting) {
  setInterval(async () => {
    try {
      const answer = await fetch(waiting.dataset.state);
      if (answer.ok && (await answer.json()).state !== "pending") location.reload();
    } catch { /* asked again in a moment */ }
  }, 2000);
}

const print = document.getElementById("print");
if (print) {
  print.addEventListener("click", () => {
    fetch(print.dataset.printed, { method: "POST", headers: { "X-CSRFToken": print.dataset.csrf } }).catch(() => {});
    window.print();
  });
}

const copy = document.getElementById("copy");
if (copy) {
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(copy.dataset.copy);
    copy.textContent = copy.dataset.done;
  });
}
