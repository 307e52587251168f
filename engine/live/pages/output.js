// The output: the picture and nothing else. Its keys are listed in docs/live.md.
import { Connection } from "./connection.js";

const MODES = ["fit", "fill", "tile", "mirror"];
const FADE_SECONDS = 1.5;

const canvas = document.getElementById("picture");
const context = canvas.getContext("2d", { alpha: false });
const tile = document.createElement("canvas"); // the picture, or four mirrored ones whose edges meet
const tileContext = tile.getContext("2d", { alpha: false });
const query = new URLSearchParams(location.search);
const view = {
  mode: MODES.includes(query.get("mode")) ? query.get("mode") : "fit",
  filter: query.get("filter") === "pixelated" ? "pixelated" : "smooth",
  flip: query.get("flip") === "1",
  tiles: Math.min(Math.max(Number.parseInt(query.get("tiles"), 10) || 2, 1), 16), // rows on the screen
};
let state = {};
let last; // the picture that is up, to be laid out anew when the window or the mode changes
let fading = 0;

const connection = new Connection({
  frame(bitmap) {
    keep(bitmap);
    paint();
  },
  state(news) {
    state = news;
  },
});

function keep(bitmap) {
  last ??= document.createElement("canvas");
  resize(last, bitmap.width, bitmap.height);
  last.getContext("2d", { alpha: false }).drawImage(bitmap, 0, 0);
}

function resize(target, width, height) {
  if (target.width !== width || target.height !== height) Object.assign(target, { width, height });
}

function paint() {
  if (!last) return;
  if (view.mode === "fit" || view.mode === "fill") {
    resize(canvas, last.width, last.height);
    context.drawImage(last, 0, 0);
    return;
  }
  resize(canvas, Math.round(innerWidth * devicePixelRatio), Math.round(innerHeight * devicePixelRatio));
  makeTile();
  const side = canvas.height / view.tiles / last.height;
  const pattern = context.createPattern(tile, "repeat");
  pattern.setTransform(new DOMMatrix([side, 0, 0, side, (canvas.width - last.width * side) / 2, 0]));
  context.imageSmoothingEnabled = view.filter === "smooth";
  context.fillStyle = pattern;
  context.fillRect(0, 0, canvas.width, canvas.height);
}

function makeTile() {
  const { width, height } = last;
  const copies = view.mode === "mirror" ? 2 : 1;
  resize(tile, width * copies, height * copies);
  for (let row = 0; row < copies; row++) {
    for (let column = 0; column < copies; column++) {
      tileContext.setTransform(column ? -1 : 1, 0, 0, row ? -1 : 1, column * 2 * width, row * 2 * height);
      tileContext.drawImage(last, 0, 0);
    }
  }
}

function look(changes) {
  Object.assign(view, changes);
  canvas.className = [view.mode, view.filter, view.flip ? "flip" : ""].join(" ");
  for (const [name, value] of Object.entries(view)) query.set(name, value === true ? "1" : value === false ? "0" : value);
  history.replaceState(null, "", `?${query}`); // a reload shows the same
  paint();
}

/** To black, or back to the picture, over a second and a half. */
function fade() {
  cancelAnimationFrame(fading);
  const from = connection.latest("fade", state.fade) ?? 0;
  const to = from < 0.5 ? 1 : 0;
  const start = performance.now();
  const step = (now) => {
    const part = Math.min((now - start) / 1000 / FADE_SECONDS, 1);
    connection.set({ fade: from + (to - from) * part });
    if (part < 1) fading = requestAnimationFrame(step);
  };
  fading = requestAnimationFrame(step);
}

function fullScreen() {
  const done = document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen();
  done.catch(() => {}); // the browser forbids it: the window stays as it is
}

const KEYS = {
  " ": () => connection.set({ freeze: !connection.latest("freeze", state.freeze) }),
  b: fade,
  f: fullScreen,
  Enter: fullScreen,
  m: () => look({ mode: MODES[(MODES.indexOf(view.mode) + 1) % MODES.length] }),
  p: () => look({ filter: view.filter === "smooth" ? "pixelated" : "smooth" }),
  x: () => look({ flip: !view.flip }),
  "+": () => look({ tiles: Math.min(view.tiles + 1, 16) }),
  "-": () => look({ tiles: Math.max(view.tiles - 1, 1) }),
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
addEventListener("dblclick", fullScreen);
addEventListener("contextmenu", (event) => event.preventDefault());
addEventListener("resize", paint);

async function keepAwake() {
  try {
    if (!document.hidden) await navigator.wakeLock.request("screen");
  } catch {
    // No such lock here (it needs localhost or https): the system's own settings decide.
  }
}
document.addEventListener("visibilitychange", keepAwake);
keepAwake();
look({});
