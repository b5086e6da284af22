// A slider with a name, a readout in words, and every key a browser gives to a slider. `widgets/tools/range_field.py` is the other end.

const told = (model, value) => {
  const texts = model.get("texts");
  return texts.length ? texts[value - model.get("min")] ?? "" : `${Math.round(100 * value)} %`;
};

export default {
  render({ model, el }) {
    const label = document.createElement("label");
    const name = document.createElement("span");
    const input = document.createElement("input");
    const readout = document.createElement("output");
    input.type = "range";
    el.classList.add("tnb-range");
    readout.setAttribute("aria-hidden", "true"); // the slider itself tells its value
    label.append(name, input);
    el.append(label, readout);

    const show = () => {
      name.textContent = model.get("label");
      for (const key of ["min", "max", "step"]) {
        input[key] = model.get(key);
      }
      input.value = model.get("value");
      say();
    };
    const say = () => {
      const text = told(model, Number(input.value));
      readout.textContent = text;
      input.setAttribute("aria-valuetext", text);
    };
    const send = () => {
      model.set("value", Number(input.value));
      model.save_changes();
    };
    const slid = () => {
      say();
      if (model.get("continuous")) {
        send();
      }
    };
    input.addEventListener("input", slid);
    input.addEventListener("change", send);
    const names = ["label", "min", "max", "step", "value", "texts"].map((key) => `change:${key}`);
    names.forEach((event) => model.on(event, show));
    show();
    return () => names.forEach((event) => model.off(event, show));
  },
};
