// The dates of a search as a calendar of buttons, and the same as a table. Plain browser JavaScript, no build.
function render({ model, el }) {
  const words = model.get("words");
  el.classList.add("tsnb-dates");
  keepKeys(el);

  const summary = make("div", "tsnb-dates-summary");
  summary.setAttribute("role", "status");
  const note = make("div", "tsnb-dates-note");
  const noteText = make("span");
  noteText.setAttribute("role", "status");
  const bar = make("progress");
  bar.max = 1;
  bar.setAttribute("aria-label", words.flags);
  const cancel = make("button", "tsnb-button", words.cancel);
  cancel.type = "button";
  cancel.addEventListener("click", () => model.send({ do: "cancel" }));
  note.append(noteText, bar, cancel);
  const months = make("div", "tsnb-dates-months");
  months.setAttribute("role", "group");
  months.setAttribute("aria-label", `${words.title}. ${words.help}`);
  const help = make("div", "tsnb-dates-help", `${words.legend} ${words.help}`);
  const look = make("div", "tsnb-dates-look");
  const twin = make("details", "tsnb-dates-twin");
  twin.append(make("summary", "", words.list));
  const scroll = make("div", "tsnb-dates-scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", words.list);
  twin.append(scroll);
  el.append(summary, note, months, help, look, twin);

  let buttons = new Map(); // date -> button
  let current = ""; // the date that Tab goes to
  let shape = "";

  const dropped = () => new Set(model.get("dropped"));

  function toggle(day) {
    const gone = dropped();
    if (gone.has(day)) gone.delete(day);
    else gone.add(day);
    model.set("dropped", [...gone].sort());
    model.save_changes();
  }

  function select(day) {
    model.set("selected", model.get("selected") === day ? "" : day);
    model.save_changes();
  }

  function focus(day) {
    if (!buttons.has(day)) return;
    buttons.get(current)?.setAttribute("tabindex", "-1");
    current = day;
    const button = buttons.get(day);
    button.setAttribute("tabindex", "0");
    button.focus({ preventScroll: false });
  }

  function neighbour(day, key) {
    const all = [...buttons.keys()];
    const at = all.indexOf(day);
    if (key === "ArrowLeft") return all[at - 1];
    if (key === "ArrowRight") return all[at + 1];
    if (key === "Home") return all[0];
    if (key === "End") return all[all.length - 1];
    // Up and down: the nearest day of the month before or after.
    const listed = [...new Set(all.map((one) => one.slice(0, 7)))];
    const month = listed[listed.indexOf(day.slice(0, 7)) + (key === "ArrowUp" ? -1 : 1)];
    if (!month) return undefined;
    const wanted = Number(day.slice(8));
    const there = all.filter((one) => one.startsWith(month));
    return there.reduce((best, one) =>
      Math.abs(Number(one.slice(8)) - wanted) < Math.abs(Number(best.slice(8)) - wanted) ? one : best);
  }

  function onKey(event) {
    const day = event.target.closest?.("[data-day]")?.dataset.day;
    if (!day) return;
    if (["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) {
      const next = neighbour(day, event.key);
      if (next) focus(next);
    } else if (event.key === " ") {
      toggle(day);
    } else if (event.key === "Enter") {
      select(day);
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
  months.addEventListener("keydown", onKey);
  months.addEventListener("keyup", (event) => {
    // The browser would click the button once more when Space is let go.
    if (event.key === " ") event.preventDefault();
  });

  function build(dates) {
    months.replaceChildren();
    buttons = new Map();
    let row = null;
    let month = "";
    for (const entry of dates) {
      const day = entry.date;
      if (day.slice(0, 7) !== month) {
        month = day.slice(0, 7);
        row = make("div", "tsnb-dates-days");
        const line = make("div", "tsnb-dates-month");
        line.append(make("span", "tsnb-dates-name", month), row);
        months.append(line);
      }
      const button = make("button", "tsnb-day");
      button.type = "button";
      button.dataset.day = day;
      button.append(make("span", "tsnb-day-number", String(Number(day.slice(8)))), make("span", "tsnb-day-bar"));
      button.lastChild.append(make("i"));
      button.addEventListener("click", () => {
        focus(day);
        select(day);
      });
      buttons.set(day, button);
      row.append(button);
    }
    if (!buttons.has(current)) current = dates.length ? dates[0].date : "";
    for (const [day, button] of buttons) button.setAttribute("tabindex", day === current ? "0" : "-1");
    if (!dates.length) months.append(make("div", "", words.none));
  }

  function showMarks() {
    const dates = model.get("dates");
    const wanted = dates.map((entry) => entry.date).join(" ");
    if (wanted !== shape || !months.hasChildNodes()) {
      shape = wanted;
      build(dates);
    }
    const gone = dropped();
    const chosen = model.get("selected");
    for (const entry of dates) {
      const button = buttons.get(entry.date);
      const out = gone.has(entry.date);
      button.setAttribute("aria-pressed", String(!out));
      button.setAttribute("aria-label", `${entry.text}, ${out ? words.dropped : words.kept}`);
      button.title = `${entry.text}, ${out ? words.dropped : words.kept}`;
      if (entry.date === chosen) button.setAttribute("aria-current", "date");
      else button.removeAttribute("aria-current");
      button.classList.toggle("tsnb-unknown", entry.clear === null);
      button.classList.toggle("tsnb-measured", entry.clear_from === "flags");
      button.querySelector("i").style.width = `${entry.clear ?? 0}%`;
    }
    const kept = dates.filter((entry) => !gone.has(entry.date)).length;
    const text = fill(words.summary, { kept, count: dates.length });
    if (summary.textContent !== text) summary.textContent = text;
    showTwin(dates, gone);
  }

  function showTwin(dates, gone) {
    if (!twin.open) return;
    const table = make("table");
    const head = make("tr");
    for (const name of ["date", "clear", "from", "coverage", "version", "state"]) {
      const cell = make("th", "", words[name]);
      cell.scope = "col";
      head.append(cell);
    }
    table.append(make("thead"), make("tbody"));
    table.tHead.append(head);
    for (const entry of dates) {
      const row = make("tr");
      const name = make("th", "", entry.date);
      name.scope = "row";
      row.append(name);
      for (const value of [
        entry.clear ?? words.unknown, words[entry.clear_from] || words.unknown, entry.coverage ?? words.unknown,
        entry.version, gone.has(entry.date) ? words.dropped : words.kept,
      ]) row.append(make("td", "", value));
      table.tBodies[0].append(row);
    }
    scroll.replaceChildren(table);
  }
  twin.addEventListener("toggle", showMarks);

  function showNote() {
    if (noteText.textContent !== model.get("note")) noteText.textContent = model.get("note");
    const busy = model.get("measuring");
    bar.hidden = cancel.hidden = !busy;
    bar.value = model.get("share");
  }

  function showLook() {
    const day = model.get("selected");
    look.hidden = !day;
    if (!day) {
      look.replaceChildren();
      return;
    }
    const entry = model.get("dates").find((one) => one.date === day);
    const out = dropped().has(day);
    const words_ = make("div", "tsnb-dates-look-words");
    const heading = make("div", "tsnb-dates-look-text", entry ? entry.text : day);
    const caption = make("div", "tsnb-dates-look-text", model.get("picture_text"));
    caption.setAttribute("role", "status");
    const act = make("button", "tsnb-button", out ? words.keep : words.drop);
    act.type = "button";
    act.addEventListener("click", () => {
      toggle(day);
      look.querySelector(".tsnb-button")?.focus();
    });
    const close = make("button", "tsnb-button", words.close);
    close.type = "button";
    close.addEventListener("click", () => {
      select(day);
      focus(day);
    });
    words_.append(heading, caption, act, " ", close);
    const data = model.get("picture");
    look.replaceChildren(words_);
    if (data && data.byteLength) {
      const image = make("img");
      const address = URL.createObjectURL(new Blob([data], { type: "image/png" }));
      image.onload = image.onerror = () => URL.revokeObjectURL(address);
      image.src = address;
      image.alt = model.get("picture_text");
      look.prepend(image);
    }
  }

  const watched = {
    dates: showMarks,
    dropped: () => { showMarks(); showLook(); },
    selected: () => { showMarks(); showLook(); },
    picture: showLook, picture_text: showLook,
    note: showNote, measuring: showNote, share: showNote,
  };
  for (const [name, act] of Object.entries(watched)) model.on(`change:${name}`, act);
  showMarks();
  showNote();
  showLook();
  return () => {
    for (const [name, act] of Object.entries(watched)) model.off(`change:${name}`, act);
  };
}
export default { render };
