// The title of a picker, which also keeps the keys pressed in the picker there (keys.js).
// A control that is drawn anew, or goes, does not take the keyboard's place along: the one that comes for it gets the
// focus, or what stands first in the part of the panel that stays.
const REACHED = "button:not(:disabled), input, select, textarea, a[href], [tabindex='0']";
const PATIENCE = 500; // milliseconds; widgets are drawn some time after those before them went
const watched = new WeakSet();

function keepFocus(root) {
  if (watched.has(root)) return;
  watched.add(root);
  const nameOf = (one) => one.getAttribute("aria-label") || one.title || one.labels?.[0]?.textContent || one.textContent;
  let held = null;
  let clock = 0;
  const hold = (target) => {
    clearTimeout(clock);
    clock = 0;
    const parents = [];
    for (let one = target; root.contains(one); one = one.parentElement) parents.push(one);
    held = { target, parents, tag: target.tagName, name: nameOf(target) };
  };
  const isLost = () => held && !held.target.isConnected && document.activeElement === document.body;
  const settle = () => {
    if (!isLost()) return;
    const there = held.parents.find((one) => one.isConnected);
    held = null;
    (there || root).querySelector(REACHED)?.focus();
  };
  root.addEventListener("focusin", ({ target }) => hold(target));
  document.addEventListener("focusin", ({ target }) => {
    if (!root.contains(target)) held = null;
  });
  new MutationObserver(() => {
    if (!isLost()) return;
    const again = [...root.querySelectorAll(held.tag)].find((one) => nameOf(one) === held.name && !one.disabled);
    if (again) again.focus();
    else if (!clock) clock = setTimeout(settle, PATIENCE);
  }).observe(root, { childList: true, subtree: true });
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
    roots.forEach(keepFocus);
    if (!roots.length && tries-- > 0) setTimeout(find, 50); // not in the page yet
  };
  find();
}

export default { render };
