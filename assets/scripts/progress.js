// Follows a job: the address in data-progress answers {done, total, text, finished}. When it
// is finished the page is loaded anew, or data-then is gone to.

import { all } from './dom.js';

const A_SECOND = 1000;
const BETWEEN_WORDS = 10 * A_SECOND; // that much is read out at most
const LONGEST_PAUSE = 30 * A_SECOND;

function pause(milliseconds) {
  return new Promise((resume) => { setTimeout(resume, milliseconds); });
}

function untilSeen() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resume) => {
    document.addEventListener('visibilitychange', resume, { once: true });
  });
}

async function ask(address) {
  const answer = await fetch(address, { redirect: 'error' });
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}

function tell(box, text) {
  const said = box.querySelector('[data-progress-said]');
  const now = performance.now();
  if (!said || said.textContent === text || now - (Number(said.dataset.at) || -BETWEEN_WORDS) < BETWEEN_WORDS) return;
  said.dataset.at = now;
  said.textContent = text;
}

function show(box, { done, total, text }) {
  const bar = box.querySelector('progress');
  if (total) {
    bar.max = total;
    bar.value = done;
  } else {
    bar.removeAttribute('value'); // how much there is to do is not known yet
  }
  const words = box.querySelector('[data-progress-text]');
  if (words) words.textContent = text;
  tell(box, text);
}

async function follow(box) {
  for (let wait = A_SECOND, finished = false; !finished;) {
    await pause(wait);
    await untilSeen();
    try {
      const state = await ask(box.dataset.progress);
      show(box, state);
      ({ finished } = state);
      wait = A_SECOND;
    } catch {
      wait = Math.min(2 * wait, LONGEST_PAUSE);
    }
  }
  if (box.dataset.then) location.assign(box.dataset.then);
  else location.reload();
}

all('[data-progress]').forEach(follow);
