// A text field with its buttons: what is typed and what is to be done with it leave in one message, so that no button
// is heard before the last letters. What is wrong is said under the field and belongs to it.
let count = 0;

function make(parent, tag, name, text) {
  const element = document.createElement(tag);
  element.className = name;
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

function render({ model, el }) {
  const id = `tsnb-typed-${++count}-${Math.random().toString(36).slice(2, 8)}`;
  const root = make(el, "div", "tsnb-typed");
  const line = make(root, "div", "tsnb-typed-line");
  const label = make(line, "label", "tsnb-typed-label", model.get("label"));
  const input = make(line, "input", "tsnb-typed-input");
  input.type = "text";
  input.id = id;
  input.autocomplete = "off";
  input.spellcheck = false;
  input.value = model.get("value");
  input.placeholder = model.get("placeholder");
  label.htmlFor = id;
  if (model.get("options").length) {
    const list = make(line, "datalist", "");
    list.id = `${id}-list`;
    for (const text of model.get("options")) make(list, "option", "").value = text;
    input.setAttribute("list", list.id);
  }
  const act = (number) => model.send({ action: number, text: input.value });
  model.get("actions").forEach((text, number) => {
    const button = make(line, "button", number || !model.get("main") ? "tsnb-typed-button" : "tsnb-typed-button tsnb-main", text);
    button.type = "button";
    button.addEventListener("click", () => act(number));
  });
  // Both are in the page from the start: a screen reader tells only what changes in a region it knows.
  const alert = make(root, "div", "tsnb-typed-problem");
  alert.setAttribute("role", "alert");
  alert.id = `${id}-problem`;
  const status = make(root, "div", "tsnb-typed-news");
  status.setAttribute("role", "status");
  status.id = `${id}-news`;
  input.setAttribute("aria-describedby", `${alert.id} ${status.id}`);

  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) {
      event.preventDefault();
      act(0);
    }
  });
  input.addEventListener("change", () => {
    model.set("value", input.value);
    model.save_changes();
  });
  const valueChanged = () => {
    if (input.value !== model.get("value")) input.value = model.get("value");
  };
  const told = () => {
    const problem = model.get("problem");
    alert.textContent = problem;
    input.setAttribute("aria-invalid", problem ? "true" : "false");
    status.replaceChildren();
    for (const text of model.get("said")) make(status, "div", "", text);
  };
  model.on("change:value", valueChanged);
  model.on("change:problem", told);
  model.on("change:said", told);
  told();
  return () => {
    model.off("change:value", valueChanged);
    model.off("change:problem", told);
    model.off("change:said", told);
  };
}

export default { render };
