// Keys pressed in a widget are its own: a notebook in command mode takes the arrows of a list, Enter on a button, or a
// letter typed to find an entry, for its own commands. The Python side puts this text before a module that needs it.
const kept = new WeakSet();

function keepKeys(root) {
  if (kept.has(root)) return;
  kept.add(root);
  const mark = (target) => {
    // The lab looks for this on the element that has the focus. A field to type in it leaves alone by itself.
    if (target !== root && !target.matches(":read-write")) target.setAttribute("data-lm-suppress-shortcuts", "true");
  };
  root.addEventListener("focusin", (event) => mark(event.target));
  if (root.contains(document.activeElement)) mark(document.activeElement);
}
