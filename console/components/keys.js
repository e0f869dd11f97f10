// Keys that press buttons and move to fields, and the field that a person starts with.
const listeners = new WeakMap();
const focused = new WeakMap();
const WRITING = "input, textarea, select, [contenteditable], [role=combobox], [role=textbox]";

const named = (name, inner) => document.querySelector(`.st-key-${name} ${inner}`);

// Streamlit draws the page bit by bit, so the field may come later than this.
function whenThere(name, use) {
  const found = named(name, "input");
  if (found) return use(found);
  const watch = new MutationObserver(() => {
    const late = named(name, "input");
    if (!late) return;
    watch.disconnect();
    use(late);
  });
  watch.observe(document.body, { childList: true, subtree: true });
}

export default function keys({ parentElement, data }) {
  window.removeEventListener("keydown", listeners.get(parentElement), true);
  let spent = false;

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const at = event.composedPath()[0];
    const writing = at instanceof Element && at.closest(WRITING);
    if (writing) {
      if (event.key === "Escape") at.blur();
      return;
    }
    const wanted = data.keys[event.key];
    if (!wanted || document.querySelector("[role=dialog]")) return;
    // Before Streamlit, for which R is to run the page again.
    event.preventDefault();
    event.stopImmediatePropagation();
    // One decision for each page that was drawn: nobody decides about what they have not seen.
    if (event.repeat || spent) return;
    const field = named(wanted, "input");
    if (field) return field.focus();
    const button = named(wanted, "button");
    if (!button || button.disabled) return;
    spent = !button.hasAttribute("aria-expanded");
    button.click();
  }

  window.addEventListener("keydown", pressed, true);
  listeners.set(parentElement, pressed);
  // A phone would show its keyboard above the page.
  if (data.start && focused.get(parentElement) !== data.once && !matchMedia("(pointer: coarse)").matches) {
    focused.set(parentElement, data.once);
    whenThere(data.start, (field) => field.focus({ preventScroll: true }));
  }
  return () => window.removeEventListener("keydown", listeners.get(parentElement), true);
}
