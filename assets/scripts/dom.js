// The two words the other scripts are written with.

/** Every element a selector finds, as an array. */
export function all(selector, root = document) {
  return [...root.querySelectorAll(selector)];
}

/** Act on every event of a type that happens in an element the selector finds, now or later. */
export function on(type, selector, act) {
  document.addEventListener(type, (event) => {
    const element = event.target instanceof Element ? event.target.closest(selector) : null;
    if (element) act(element, event);
  });
}
