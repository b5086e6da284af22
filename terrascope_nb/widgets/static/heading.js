// The title of a picker, which also keeps the keys pressed in the picker there: a notebook in command mode takes the
// arrows of a list, Enter on a button, or a letter typed to find an entry, for its own commands.
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

function render({ model, el }) {
  const title = document.createElement("strong");
  title.className = "tsnb-heading";
  title.textContent = model.get("text");
  el.append(title);
  let tries = 100;
  const find = () => {
    const roots = [el.closest(".tsnb-keys"), el.closest(".tsnb-explorer")].filter(Boolean);
    roots.forEach(keepKeys);
    if (!roots.length && tries-- > 0) setTimeout(find, 50); // not in the page yet
  };
  find();
}

export default { render };
