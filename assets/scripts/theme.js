// Light, dark, or as the device has it. The server reads the cookie, so no page flashes.

import { all, on } from './dom.js';

const A_YEAR = 365 * 24 * 60 * 60;

on('click', '[data-theme-set]', ({ dataset: { themeSet: theme } }) => {
  document.documentElement.dataset.theme = theme;
  document.cookie = `theme=${theme};path=/;max-age=${A_YEAR};samesite=lax`;
  all('meta[name="color-scheme"]').forEach((meta) => {
    meta.content = theme === 'auto' ? 'light dark' : theme;
  });
  all('[data-theme-set]').forEach((button) => {
    button.setAttribute('aria-pressed', String(button.dataset.themeSet === theme));
  });
  document.dispatchEvent(new Event('theme'));
});
