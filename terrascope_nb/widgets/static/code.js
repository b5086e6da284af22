// The text of a cell with a button to copy it. Plain browser JavaScript, no build.
function render({ model, el }) {
  const words = model.get("words");
  el.classList.add("tsnb-code");
  keepKeys(el);
  const line = document.createElement("div");
  const button = document.createElement("button");
  button.type = "button";
  button.className = "tsnb-button";
  button.textContent = words.copy;
  const said = document.createElement("span");
  said.setAttribute("role", "status");
  const text = document.createElement("pre");
  text.tabIndex = 0;
  text.setAttribute("role", "region");
  text.setAttribute("aria-label", words.title);
  line.append(button, " ", said);
  el.append(line, text);

  function mark() {
    const range = document.createRange();
    range.selectNodeContents(text);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }
  async function copy() {
    try {
      await navigator.clipboard.writeText(model.get("code"));
      said.textContent = words.copied;
    } catch {
      // Over plain http, or where a policy forbids the clipboard.
      mark();
      said.textContent = document.execCommand?.("copy") ? words.copied : words.failed;
    }
  }
  function show() {
    text.textContent = model.get("code");
    said.textContent = "";
    el.hidden = model.get("code") === "";
  }
  button.addEventListener("click", copy);
  model.on("change:code", show);
  show();
  return () => model.off("change:code", show);
}
export default { render };
