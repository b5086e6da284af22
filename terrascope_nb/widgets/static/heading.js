// The title of a picker, which also keeps the keys pressed in the picker there (keys.js).
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
