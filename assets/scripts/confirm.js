// Asks before what cannot be undone: a form, or the button that sends it, says the question
// in data-confirm, and either may say its yes in data-confirm-yes. A form that many buttons send
// asks with {} for the name that stands in the button's data-name.

const dialog = document.getElementById('confirm');
const text = document.getElementById('confirm-text');
const yes = dialog?.querySelector('button[value="yes"]');
const usualYes = yes?.textContent;
let agreed = false;

function ask(form, submitter, question) {
  text.textContent = question;
  yes.textContent = submitter?.dataset.confirmYes ?? form.dataset.confirmYes ?? usualYes;
  dialog.returnValue = '';
  dialog.onclose = () => {
    if (dialog.returnValue === 'yes') sendAgreed(form, submitter);
  };
  dialog.showModal();
}

function sendAgreed(form, submitter) {
  agreed = true;
  form.requestSubmit(submitter);
  agreed = false;
}

function beforeSubmit(event) {
  const { target: form, submitter } = event;
  const question = submitter?.dataset.confirm ?? form.dataset.confirm;
  if (!question || agreed) return;
  const name = submitter?.dataset.name ?? '';
  event.preventDefault();
  event.stopImmediatePropagation(); // to all others it is not sent yet
  ask(form, submitter, question.replace('{}', () => name));
}

if (dialog) document.addEventListener('submit', beforeSubmit, true);
