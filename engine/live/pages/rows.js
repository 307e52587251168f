// Rows of controls: a slider with its number, or a choice, for one parameter each.

/** What the page shows of each parameter; ranges of sliders are narrower than what may be typed. */
export const ROWS = {
  "time-rows": [
    { name: "speed", label: "Speed", slide: [-4, 4], range: [-16, 16], neutral: 1 },
    { name: "seconds_per_keyframe", label: "Seconds", title: "From keyframe to keyframe, at speed 1", slide: [0.1, 20], range: [0.05, 3600], log: true },
    { name: "fps", label: "Frames / s", slide: [1, 60], range: [1, 240], step: 1 },
  ],
  "look-rows": [
    { name: "truncation_psi", label: "Truncation ψ", slide: [0, 1.2], range: [-2, 2], optional: true, ofWalk: true },
    { name: "truncation_cutoff", label: "Cutoff", slide: [0, 18], range: [0, 64], step: 1, optional: true, layers: true },
    { name: "noise_radius", label: "Noise loop", slide: [0, 4], range: [0, 4], optional: true, needs: "has_noise" },
  ],
  "curve-rows": [
    { name: "interp", label: "Path", choices: ["linear", "slerp", "catmull-rom", "spline"], none: "as the walk" },
    { name: "easing", label: "Easing", choices: ["none", "smooth", "sine"] },
    { name: "constant_speed", label: "Constant speed", choices: ["none", "w", "picture"] },
  ],
  "mix-rows": [{ name: "mix_amount", label: "Amount", slide: [0, 1], range: [0, 1], neutral: 1 }],
  "transform-rows": [
    { name: "translate_x", label: "Move right", slide: [-1, 1], range: [-2, 2], optional: true, ofWalk: true },
    { name: "translate_y", label: "Move down", slide: [-1, 1], range: [-2, 2], optional: true, ofWalk: true },
    { name: "rotate", label: "Turn °", slide: [-180, 180], range: [-360, 360], optional: true, ofWalk: true },
  ],
  "stage-rows": [{ name: "fade", label: "Fade to black", slide: [0, 1], range: [0, 1], neutral: 0 }],
};

/** The row of a direction of the walk. */
export function directionRow(direction) {
  return { name: `direction/${direction}`, label: direction, slide: [-5, 5], range: [-50, 50], optional: true, zero: 0 };
}

const element = (tag, attributes = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
};
export { element };

/** A row's element; `set` changes the parameter, and `show(state)` on the result shows what holds. */
export function makeRow(spec, set) {
  return spec.choices ? choiceRow(spec, set) : sliderRow(spec, set);
}

function choiceRow(spec, set) {
  const id = `row-${spec.name}`;
  const select = element("select", { id });
  select.dataset.name = spec.name;
  if (spec.none) select.append(element("option", { value: "", textContent: spec.none }));
  for (const choice of spec.choices) select.append(element("option", { value: choice, textContent: choice }));
  select.onchange = () => set({ [spec.name]: select.value || null });
  const row = element("div", { className: "row" }, element("label", { htmlFor: id, textContent: spec.label }), select);
  row.show = (state) => {
    if (document.activeElement !== select || select.value !== (state[spec.name] ?? "")) select.value = state[spec.name] ?? "";
  };
  return row;
}

function sliderRow(spec, set) {
  const id = `row-${spec.name}`;
  const scale = spec.log ? [Math.log, Math.exp] : [(value) => value, (value) => value];
  const slider = element("input", { id, type: "range", min: scale[0](spec.slide[0]), max: scale[0](spec.slide[1]) });
  slider.step = spec.step ?? "any";
  const number = element("input", { type: "number", min: spec.range[0], max: spec.range[1], step: spec.step ?? "any" });
  number.ariaLabel = spec.label;
  for (const input of [slider, number]) input.dataset.name = spec.name;
  const reset = element("button", { textContent: "↺", className: "reset", type: "button" });
  reset.ariaLabel = `${spec.label}: back`;
  reset.title = spec.optional ? "As the walk has it" : "Back to the usual";
  const send = (value) => {
    number.value = tidy(value);
    set({ [spec.name]: value });
  };
  slider.oninput = () => send(spec.step ? Number(slider.value) : rounded(scale[1](Number(slider.value))));
  number.onchange = () => {
    if (number.value !== "" && number.checkValidity()) send(Number(number.value));
  };
  const back = spec.optional ? null : spec.neutral;
  reset.hidden = back === undefined;
  reset.onclick = () => set({ [spec.name]: back });
  slider.ondblclick = () => back !== undefined && set({ [spec.name]: back });
  const label = element("label", { htmlFor: id, textContent: spec.label, title: spec.title ?? spec.label });
  const row = element("div", { className: "row slider" }, label, number, reset, slider);
  row.show = (state) => {
    const held = state[spec.name];
    const value = held ?? (spec.ofWalk ? state.walk?.[spec.name] : spec.zero);
    row.classList.toggle("inherited", held === null || held === undefined);
    if (spec.layers && state.generator?.num_ws) slider.max = state.generator.num_ws;
    if (!slider.matches(":active")) slider.value = value === undefined || value === null ? (spec.layers ? slider.max : 0) : scale[0](value);
    if (document.activeElement !== number) number.value = value === undefined || value === null ? "" : tidy(value);
    number.placeholder = spec.layers ? "all" : "–";
    reset.disabled = back === null ? held === null : held === back;
  };
  return row;
}

const rounded = (value) => Number(value.toPrecision(4));
const tidy = (value) => String(Number(Number(value).toFixed(3)));
