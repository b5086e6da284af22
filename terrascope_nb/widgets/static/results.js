// The scenes of a search as a sortable table whose rows and the footprints on the map light each other, in the page alone.
// Plain browser JavaScript, no build.
const COLUMNS = ["time", "tile", "platform", "version", "cloud", "coverage", "access", "id"];

const modelId = (reference) => (typeof reference === "string" ? reference.replace("IPY_MODEL_", "") : reference?.model_id);

// -- where an outline holds a point --------------------------------------------------------------------------------

function ringHolds(ring, x, y) {
  let inside = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1) {
    const [xi, yi] = ring[i];
    const [xj, yj] = ring[j];
    if (yi > y !== yj > y && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

function holds(geometry, x, y) {
  const polygons = geometry.type === "Polygon" ? [geometry.coordinates]
    : geometry.type === "MultiPolygon" ? geometry.coordinates : [];
  return polygons.some((rings) => ringHolds(rings[0], x, y) && !rings.slice(1).some((hole) => ringHolds(hole, x, y)));
}

// -- the footprints of one map on the page -------------------------------------------------------------------------

class Outlines {
  constructor(layerView, mapView, act) {
    this.layerView = layerView;
    this.act = act;
    this.lit = null;
    this.paths = null;
    this.enter = (event) => act.enter((event.propagatedFrom || event.layer)?.feature?.id);
    this.leave = () => act.enter("");
    this.click = (event) => {
      const features = layerView.model.get("data").features || [];
      const { lng, lat } = event.latlng;
      act.here(features.filter((one) => holds(one.geometry, lng, lat)).map((one) => one.id));
    };
    this.renew = () => { this.paths = null; this.lit = null; };
    layerView.obj.on("mouseover", this.enter).on("mouseout", this.leave);
    layerView.model.on("change:data", this.renew);
    this.map = mapView.obj;
    this.map.on("click", this.click);
  }

  light(id, style) {
    const group = this.layerView.obj;
    if (!this.paths) {
      this.paths = new Map();
      group.eachLayer((path) => this.paths.set(path.feature?.id, path));
    }
    if (this.lit) group.resetStyle(this.lit);
    this.lit = this.paths.get(id) || null;
    if (this.lit) {
      this.lit.setStyle(style);
      this.lit.bringToFront?.();
    }
  }

  free() {
    this.layerView.obj?.off("mouseover", this.enter).off("mouseout", this.leave);
    this.layerView.model.off("change:data", this.renew);
    this.map?.off("click", this.click);
  }
}

function watchMap(model, act) {
  const known = new Map(); // the view of the layer -> Outlines
  let stopped = false;
  async function look() {
    const ids = [modelId(model.get("map")), modelId(model.get("layer"))];
    if (stopped || !ids[0] || !ids[1]) return;
    const map = await model.widget_manager.get_model(ids[0]).catch(() => null);
    for (const promise of Object.values(map?.views || {})) {
      const mapView = await promise;
      for (const held of mapView.layer_views?.views || []) {
        const view = await held;
        if (stopped) return;
        if (view?.model?.model_id === ids[1] && view.obj && mapView.obj && !known.has(view)) {
          known.set(view, new Outlines(view, mapView, act));
        }
      }
    }
  }
  // Maps and layers are shown before or after this table; nothing tells, so look now and then.
  const clock = setInterval(() => look().catch(() => {}), 400);
  look().catch(() => {});
  return {
    light: (id) => known.forEach((outlines) => outlines.light(id, model.get("hover_style"))),
    stop: () => {
      stopped = true;
      clearInterval(clock);
      known.forEach((outlines) => outlines.free());
    },
  };
}

// -- the table -----------------------------------------------------------------------------------------------------

function render({ model, el }) {
  const words = model.get("words");
  el.classList.add("tsnb-results");
  keepKeys(el);
  const summary = make("div", "tsnb-results-summary");
  summary.setAttribute("role", "status");
  const place = make("div", "tsnb-results-here");
  const placeText = make("span");
  placeText.setAttribute("role", "status");
  const all = make("button", "tsnb-button", words.all);
  all.type = "button";
  all.addEventListener("click", () => {
    model.set("here", []);
    model.save_changes();
  });
  place.append(placeText, " ", all);
  const scroll = make("div", "tsnb-results-scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", words.title);
  const table = make("table");
  table.append(make("caption", "tsnb-results-caption", words.title), make("thead"), make("tbody"));
  scroll.append(table);
  el.append(summary, place, scroll);

  let rows = new Map(); // id -> tr
  let lit = "";
  let order = { column: "time", up: true };
  let timer = 0;

  function light(id, { reveal = false } = {}) {
    id = id || "";
    if (id === lit) return;
    rows.get(lit)?.classList.remove("tsnb-lit");
    lit = id;
    const row = rows.get(id);
    row?.classList.add("tsnb-lit");
    if (row && reveal) {
      // Only the table scrolls, never the page.
      const top = row.offsetTop - table.tHead.offsetHeight;
      if (top < scroll.scrollTop) scroll.scrollTop = top;
      else if (row.offsetTop + row.offsetHeight > scroll.scrollTop + scroll.clientHeight) {
        scroll.scrollTop = row.offsetTop + row.offsetHeight - scroll.clientHeight;
      }
    }
    watch.light(id);
    // The kernel hears of it when the pointer rests; nothing here waits for it.
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (model.get("highlighted") === lit) return;
      model.set("highlighted", lit);
      model.save_changes();
    }, 250);
  }

  const watch = watchMap(model, {
    enter: (id) => light(id, { reveal: true }),
    here: (ids) => {
      if (!ids.length && !model.get("here").length) return;
      model.set("here", ids);
      model.save_changes();
    },
  });

  function head() {
    const line = make("tr");
    const keep = make("th", "", words.keep);
    keep.scope = "col";
    line.append(keep);
    for (const column of COLUMNS) {
      const cell = make("th");
      cell.scope = "col";
      if (model.get("rows").some((entry) => typeof entry[column] === "number")) cell.className = "tsnb-number";
      if (order.column === column) cell.setAttribute("aria-sort", order.up ? "ascending" : "descending");
      const button = make("button", "tsnb-sort", words[column]);
      button.type = "button";
      button.title = fill(words.sort, { column: words[column] });
      button.append(make("span", "tsnb-sort-mark", order.column === column ? (order.up ? " ▲" : " ▼") : ""));
      button.lastChild.setAttribute("aria-hidden", "true");
      button.addEventListener("click", () => {
        order = { column, up: order.column === column ? !order.up : true };
        build();
        table.tHead.querySelectorAll("button")[COLUMNS.indexOf(column)].focus();
      });
      cell.append(button);
      line.append(cell);
    }
    table.tHead.replaceChildren(line);
  }

  function sorted() {
    const { column, up } = order;
    return [...model.get("rows")].sort((one, other) => {
      const [a, b] = [one[column], other[column]];
      const [noA, noB] = [a === null || a === undefined || a === "", b === null || b === undefined || b === ""];
      if (noA || noB) return noA - noB; // what is not known stands last either way
      const by = typeof a === "number" ? a - b : String(a).localeCompare(String(b));
      return up ? by : -by;
    });
  }

  function build() {
    head();
    const gone = new Set(model.get("dropped"));
    rows = new Map();
    const lines = document.createDocumentFragment();
    for (const entry of sorted()) {
      const line = make("tr");
      line.dataset.id = entry.id;
      const box = make("input");
      box.type = "checkbox";
      box.checked = !gone.has(entry.id);
      box.setAttribute("aria-label", fill(words.keep_one, { item: entry.id }));
      const first = make("td");
      first.append(box);
      line.append(first);
      for (const column of COLUMNS) {
        const value = column === "access" ? words[entry.access] || entry.access : entry[column];
        const cell = make(column === "id" ? "th" : "td", "", value ?? "–");
        if (column === "id") cell.scope = "row";
        if (typeof entry[column] === "number") cell.className = "tsnb-number";
        line.append(cell);
      }
      rows.set(entry.id, line);
      lines.append(line);
    }
    table.tBodies[0].replaceChildren(lines);
    lit = "";
    show();
  }

  function show() {
    const gone = new Set(model.get("dropped"));
    const here = new Set(model.get("here"));
    for (const [id, line] of rows) {
      line.hidden = here.size > 0 && !here.has(id);
      line.classList.toggle("tsnb-gone", gone.has(id));
      const box = line.querySelector("input");
      if (box.checked === gone.has(id)) box.checked = !gone.has(id);
    }
    place.hidden = here.size === 0;
    placeText.textContent = here.size ? fill(words.here, { count: here.size }) : "";
    const kept = [...rows.keys()].filter((id) => !gone.has(id)).length;
    const text = rows.size ? fill(words.summary, { kept, count: rows.size }) : words.none;
    if (summary.textContent !== text) summary.textContent = text;
    scroll.hidden = rows.size === 0;
  }

  const idOf = (event) => event.target.closest?.("tbody tr")?.dataset.id;
  table.addEventListener("mouseover", (event) => idOf(event) && light(idOf(event)));
  table.addEventListener("mouseleave", () => light(""));
  table.addEventListener("focusin", (event) => idOf(event) && light(idOf(event)));
  table.addEventListener("change", (event) => {
    const id = idOf(event);
    if (!id) return;
    const gone = new Set(model.get("dropped"));
    if (event.target.checked) gone.delete(id);
    else gone.add(id);
    model.set("dropped", [...gone]);
    model.save_changes();
  });

  const onHighlighted = () => light(model.get("highlighted"), { reveal: true });
  model.on("change:rows", build);
  model.on("change:dropped", show);
  model.on("change:here", show);
  model.on("change:highlighted", onHighlighted);
  build();
  return () => {
    watch.stop();
    clearTimeout(timer);
    model.off("change:rows", build);
    model.off("change:dropped", show);
    model.off("change:here", show);
    model.off("change:highlighted", onHighlighted);
  };
}
export default { render };
