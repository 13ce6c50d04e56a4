// The form of a pipeline's options, made from its schema. Only what was changed is sent.
const make = (tag, values = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), values);
  element.append(...children);
  return element;
};

const text = (value) =>
  value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);

function control(field, id, changed) {
  const value = field.value;
  if (field.kind === "switch") {
    const input = make("input", { type: "checkbox", id, checked: value === true });
    input.addEventListener("change", () => changed(input.checked));
    return { input, parts: [input] };
  }
  if (field.kind === "choice") {
    const input = make("select", { id }, ...field.choices.map((one) => make("option", { value: one, textContent: one })));
    if (value !== null) input.value = value;
    input.addEventListener("change", () => changed(input.value));
    return { input, parts: [input] };
  }
  if (field.kind === "range") {
    const input = make("input", { type: "range", id, min: field.least, max: field.most });
    input.step = field.step ?? (field.most - field.least <= 10 ? 0.01 : 0.1);
    input.value = value ?? (field.least + field.most) / 2;
    const shown = make("output", { htmlFor: id, textContent: value === null ? "" : input.value });
    input.addEventListener("input", () => {
      shown.textContent = input.value;
      changed(Number(input.value));
    });
    return { input, parts: [input, shown] };
  }
  const input = make("input", { type: field.kind === "number" ? "number" : "text", id, value: text(value) });
  if (field.kind === "number") {
    if (field.least !== null) input.min = field.least;
    if (field.most !== null) input.max = field.most;
    input.step = field.step ?? "any";
  }
  input.addEventListener("change", () => {
    if (field.kind === "number") changed(input.value === "" ? null : Number(input.value));
    else changed(input.value);
  });
  return { input, parts: [input] };
}

function row(stage, field, values) {
  const id = `${stage.label}.${field.name}`;
  const changed = (value) => {
    (values[stage.label] ??= {})[field.name] = value;
  };
  const { input, parts } = control(field, id, changed);
  const box = make("div", { className: "control" }, ...parts);
  if (field.optional) {
    const auto = make("input", { type: "checkbox", checked: field.value === null });
    input.disabled = auto.checked;
    auto.addEventListener("change", () => {
      input.disabled = auto.checked;
      if (auto.checked) changed(null);
      else input.dispatchEvent(new Event(field.kind === "range" ? "input" : "change"));
    });
    box.append(make("label", { className: "auto" }, auto, "auto"));
  }
  const help = make("p", { className: "help", id: `${id}.help`, textContent: field.description });
  input.setAttribute("aria-describedby", help.id);
  return make("div", { className: "field" }, make("label", { htmlFor: id, textContent: field.name }), box, help);
}

/** Fill a form with the options of a pipeline; return the object that will hold what is changed, by stage and option. */
export function showOptions(form, stages) {
  const values = {};
  form.replaceChildren(
    ...stages.filter((stage) => stage.fields.length).map((stage) =>
      make("fieldset", {},
        make("legend", { textContent: stage.label }),
        make("p", { className: "help", textContent: stage.summary }),
        ...stage.fields.map((field) => row(stage, field, values)))),
  );
  return values;
}
