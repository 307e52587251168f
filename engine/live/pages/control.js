// The control page: shows the state that the server tells, and sends what a hand changes.
import { Connection, address } from "./connection.js";
import { strip } from "./strip.js";
import { makeKeeping } from "./keeping.js";
import { ROWS, directionRow, element, makeRow } from "./rows.js";
import { diceSeed, readSeeds, writeSeeds } from "./seeds.js";

const $ = (id) => document.getElementById(id);
const canvas = $("picture");
const context = canvas.getContext("2d", { alpha: false });
const rows = [];
let state = null;
let told = 0; // when the position was told
let scrubbing = false;
let directions = "";

const connection = new Connection({
  state: showState,
  stats: showStats,
  frame: paint,
  event: (event) => keeping.heard(event),
  error: note,
  opened() {
    $("link").textContent = "live";
    $("link").className = "good";
    connection.do("presets");
  },
  closed(closing) {
    $("link").textContent = closing.code === 1008 && closing.reason ? closing.reason : "no connection; trying again";
    $("link").className = "bad";
  },
});
const set = (values) => {
  if (state) Object.assign(state, values); // shown at once; the server's word follows
  connection.set(values);
};
const keeping = makeKeeping(connection, note);
const keyframes = strip($("strip"), (position) => set({ position }), replaceSeed);

for (const [id, specs] of Object.entries(ROWS)) fill($(id), specs);

function fill(place, specs) {
  place.replaceChildren();
  for (const spec of specs) {
    const row = makeRow(spec, set);
    row.spec = spec;
    rows.push(row);
    place.append(row);
  }
}

function paint(bitmap) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
  }
  context.drawImage(bitmap, 0, 0);
  $("waiting").hidden = true;
}

function showState(news) {
  state = news;
  told = performance.now();
  showGenerator(news.generator, news.error);
  if (directions !== news.directions.join()) showDirections(news.directions);
  for (const row of rows) row.show(news);
  $("play").ariaLabel = news.playing ? "Pause" : "Play";
  $("play").classList.toggle("playing", news.playing);
  pressed("freeze", news.freeze);
  pressed("black", news.fade > 0.5);
  $("loopbox").checked = news.loop;
  if (document.activeElement !== $("bpm")) $("bpm").value = news.bpm === null ? "" : Number(news.bpm.toFixed(1));
  if (document.activeElement !== $("seeds")) $("seeds").value = news.seeds ? writeSeeds(news.seeds) : "";
  $("seeds").placeholder = news.seeds ? "0-7, 12, 85" : "keyframes from files; seeds replace them";
  showMix(news);
  keyframes.show(news);
  keeping.show(news);
  showPosition();
}

function showGenerator(generator, error) {
  $("network").textContent = error ?? (generator ? `${generator.name} · ${generator.width}×${generator.height} · ${generator.backend} ${generator.precision}` : "Opening the generator…");
  $("network").classList.toggle("bad", Boolean(error));
  $("transform-panel").hidden = !generator?.has_transform;
  $("mix-panel").hidden = generator ? !generator.num_ws : false;
  for (const row of rows) row.hidden = Boolean(row.spec.needs && generator && !generator[row.spec.needs]);
}

function showDirections(names) {
  directions = names.join();
  for (let i = rows.length - 1; i >= 0; i--) if (rows[i].spec.name.startsWith("direction/")) rows.splice(i, 1);
  fill($("direction-rows"), names.map(directionRow));
  $("directions-panel").hidden = names.length === 0;
}

function showMix(news) {
  if (document.activeElement !== $("mix-seed")) $("mix-seed").value = news.mix_seed ?? "";
  const count = news.generator?.num_ws ?? 0;
  const boxes = $("mix-layers").querySelectorAll("input");
  if (boxes.length !== count) {
    boxes.forEach((box) => box.parentElement.remove());
    for (let layer = 0; layer < count; layer++) {
      const box = element("input", { type: "checkbox", value: layer, onchange: mixLayers });
      $("mix-layers").append(element("label", {}, box, `${layer}`));
    }
  }
  for (const box of $("mix-layers").querySelectorAll("input")) box.checked = news.mix_layers.includes(Number(box.value));
}

function mixLayers() {
  set({ mix_layers: [...$("mix-layers").querySelectorAll("input:checked")].map((box) => Number(box.value)) });
}

function mixIn(seed) {
  const layers = state.mix_layers.length || seed === null ? {} : { mix_layers: halfOfLayers() };
  set({ mix_seed: seed, ...layers });
}

/** The coarse half: pose and shape, which is what most people try first. */
function halfOfLayers() {
  return Array.from({ length: Math.ceil((state.generator?.num_ws ?? 0) / 2) }, (_, layer) => layer);
}

function pressed(id, is) {
  $(id).ariaPressed = String(Boolean(is));
}

// Position: the server tells it now and then, and the page goes on by itself in between.

function positionNow() {
  if (!state) return 0;
  const moved = state.playing ? (((performance.now() - told) / 1000) * state.speed) / state.seconds_per_keyframe : 0;
  const position = state.position + moved;
  if (!state.loop) return Math.min(Math.max(position, 0), state.length);
  return ((position % state.length) + state.length) % state.length;
}

function showPosition() {
  if (!state) return;
  $("position").max = state.length;
  const position = scrubbing ? Number($("position").value) : positionNow();
  if (!scrubbing) $("position").value = position;
  $("position").style.setProperty("--part", `${(position / state.length) * 100}%`);
  $("place").value = `${position.toFixed(2)} / ${state.length}`;
  keyframes.mark(position);
}

function follow() {
  showPosition();
  requestAnimationFrame(follow);
}
requestAnimationFrame(follow);

function showStats(stats) {
  $("hud-fps").textContent = connection.fps().toFixed(connection.fps() < 9.95 ? 1 : 0);
  $("hud-reaches").textContent = stats.reaches === null ? "–" : stats.reaches.toFixed(stats.reaches < 9.95 ? 1 : 0);
  $("hud-dropped").textContent = `${stats.dropped} + ${stats.here.dropped}`;
  $("hud-latency").textContent = stats.latency ? `${stats.latency.p50.toFixed(0)} ms` : "–";
  $("hud-fps").parentElement.classList.toggle("bad", Boolean(state?.playing) && connection.fps() < 0.9 * stats.wanted_fps);
  $("level").textContent = `${stats.viewers} viewer${stats.viewers === 1 ? "" : "s"} · ${stats.level ?? ""}`;
  if (state && !scrubbing) {
    state.position = stats.position;
    told = performance.now();
  }
  const body = $("figures").tBodies[0];
  body.replaceChildren();
  for (const [stage, figures] of Object.entries({ ...stats.stages, response: stats.response, latency: stats.latency })) {
    const cells = ["p50", "p95", "p99"].map((name) => element("td", { textContent: figures ? figures[name].toFixed(1) : "–" }));
    body.append(element("tr", {}, element("th", { textContent: stage, scope: "row" }), ...cells));
  }
}

function note(text, kind = "bad") {
  const made = element("p", { textContent: text, className: kind });
  $("notes").append(made);
  while ($("notes").children.length > 4) $("notes").firstChild.remove();
  setTimeout(() => made.remove(), 8000);
}

// Hands

$("play").onclick = () => set({ playing: !connection.latest("playing", state?.playing) });
$("position").oninput = () => {
  scrubbing = true;
  set({ position: Number($("position").value) });
};
$("position").onchange = () => {
  scrubbing = false;
  told = performance.now();
};
$("loopbox").onchange = () => set({ loop: $("loopbox").checked });
$("tap").onclick = () => connection.do("tap");
$("bpm").onchange = () => $("bpm").checkValidity() && set({ bpm: $("bpm").value === "" ? null : Number($("bpm").value) });
$("bpm-off").onclick = () => set({ bpm: null });
$("freeze").onclick = () => set({ freeze: !connection.latest("freeze", state?.freeze) });
$("black").onclick = () => set({ fade: connection.latest("fade", state?.fade) > 0.5 ? 0 : 1 });
$("mix-seed").onchange = () => $("mix-seed").checkValidity() && mixIn($("mix-seed").value === "" ? null : Number($("mix-seed").value));
$("mix-dice").onclick = () => mixIn(diceSeed());
$("mix-off").onclick = () => mixIn(null);
$("seeds-form").onsubmit = (event) => {
  event.preventDefault();
  try {
    set({ seeds: readSeeds($("seeds").value) });
    $("seeds-error").textContent = "";
    $("seeds").blur();
  } catch (error) {
    $("seeds-error").textContent = error.message;
  }
};
$("seeds").oninput = () => ($("seeds-error").textContent = "");
$("dice").onclick = () => set({ seeds: (state?.keyframes ?? Array(8).fill(0)).map(diceSeed) });
$("open-output").href = address("output");

function replaceSeed(place, seed) {
  if (state.seeds) set({ seeds: state.seeds.map((old, i) => (i === place ? seed : old)) });
  else note("These keyframes are from files. Type seeds to replace them all.");
}

function step(by) {
  const place = by > 0 ? Math.floor(positionNow() + 1 + 1e-6) : Math.ceil(positionNow() - 1 - 1e-6);
  set({ position: state.loop ? (place + state.length) % state.length : Math.min(Math.max(place, 0), state.length) });
}

const KEYS = {
  " ": () => $("play").click(),
  ArrowLeft: () => step(-1),
  ArrowRight: () => step(1),
  t: () => $("tap").click(),
  f: () => $("freeze").click(),
  b: () => $("black").click(),
  s: () => $("snapshot").click(),
  r: () => $("record").click(),
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !state) return;
  if (event.target.matches("input:not([type=checkbox]), select, textarea")) return;
  if (event.key === " " && event.target.matches("button, summary, a, input")) return; // it presses that
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
