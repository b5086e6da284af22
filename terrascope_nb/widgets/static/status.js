// One line that says what is going on. Plain browser JavaScript, no build.
function render({ model, el }) {
  el.classList.add("tsnb-status");
  const line = document.createElement("div");
  line.className = "tsnb-status-line";
  const spinner = document.createElement("span");
  spinner.className = "tsnb-status-spinner";
  spinner.setAttribute("aria-hidden", "true");
  const text = document.createElement("span");
  text.className = "tsnb-status-text";
  // The live region stays the same element, so that a screen reader speaks what changes in it.
  text.setAttribute("role", "status");
  text.setAttribute("aria-live", "polite");
  const seconds = document.createElement("span");
  seconds.className = "tsnb-status-seconds";
  seconds.setAttribute("aria-hidden", "true");
  const bar = document.createElement("progress");
  bar.max = 1;
  const cancel = document.createElement("button");
  cancel.type = "button";
  cancel.className = "tsnb-button";
  cancel.addEventListener("click", () => model.send({ do: "cancel" }));
  line.append(spinner, text, seconds, bar, cancel);
  el.append(line);

  let since = 0;
  let clock = 0;
  function tick() {
    const spent = Math.floor((Date.now() - since) / 1000);
    seconds.textContent = spent < 1 ? "" : (model.get("words").seconds || "{seconds} s").replace("{seconds}", spent);
  }
  function show() {
    const kind = model.get("kind");
    const share = model.get("share");
    const busy = kind === "busy";
    el.dataset.kind = kind;
    el.hidden = model.get("text") === "";
    if (text.textContent !== model.get("text")) text.textContent = model.get("text");
    spinner.hidden = !busy;
    bar.hidden = !busy;
    bar.setAttribute("aria-label", model.get("text") || "…");
    if (share >= 0) bar.value = share;
    else bar.removeAttribute("value");
    cancel.textContent = model.get("words").cancel || "";
    cancel.hidden = !busy || !model.get("words").cancel;
    if (busy && !clock) {
      since = Date.now();
      tick();
      clock = setInterval(tick, 500);
    } else if (!busy && clock) {
      clearInterval(clock);
      clock = 0;
      seconds.textContent = "";
    }
  }
  for (const name of ["text", "kind", "share", "words"]) model.on(`change:${name}`, show);
  show();
  return () => {
    clearInterval(clock);
    for (const name of ["text", "kind", "share", "words"]) model.off(`change:${name}`, show);
  };
}
export default { render };
