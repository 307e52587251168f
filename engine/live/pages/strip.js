// The strip of keyframes: a thumbnail each, which a click goes to, and whose die gives it another seed.
import { address } from "./connection.js";
import { diceSeed } from "./seeds.js";
import { element } from "./rows.js";

/** The strip in `list`; `go(position)` and `replace(place, seed)` are called for a hand. */
export function strip(list, go, replace) {
  let shown = "";
  let marked = "";
  let cells = []; // the places of each cell's keyframes: a grid goes through many walks at once

  function show(state) {
    const key = JSON.stringify([state.keyframes, state.cells, state.generator?.fingerprint, state.walk.truncation_psi]);
    if (key === shown || !state.generator) return;
    shown = key;
    marked = "";
    cells = state.cells;
    list.replaceChildren(...state.keyframes.map(item));
  }

  function item(keyframe, place) {
    const seed = keyframe.seed;
    const name = seed === null ? `${keyframe.file}${keyframe.index ? ` [${keyframe.index}]` : ""}` : `${seed}`;
    const path = seed === null ? `keyframe/${place}.jpg` : `thumb/${seed}.jpg`;
    const picture = element("img", { src: address(path, { width: 96 }), alt: "", loading: "lazy", width: 64, height: 64 });
    picture.onerror = () => picture.classList.add("missing");
    const button = element("button", { className: "keyframe", title: `Go to ${name}`, onclick: () => visit(place) });
    button.append(picture, element("span", { textContent: name }));
    button.ariaLabel = `Keyframe ${place + 1}: ${name}`;
    const die = element("button", { className: "die", textContent: "⚄", title: "Another seed here" });
    die.ariaLabel = `Another seed for keyframe ${place + 1}`;
    die.onclick = () => replace(place, diceSeed());
    return element("li", {}, button, die);
  }

  /** To where the first cell that has this keyframe is at it; a keyframe may be in none. */
  function visit(place) {
    const position = cells.map((cell) => cell.indexOf(place)).find((index) => index >= 0);
    if (position !== undefined) go(position);
  }

  /** Marks the keyframe of each cell that is nearest to a position. */
  function mark(position) {
    const nearest = cells.map((cell) => cell[Math.round(position) % cell.length]);
    if (nearest.join() === marked) return;
    marked = nearest.join();
    [...list.children].forEach((item, place) => item.classList.toggle("here", nearest.includes(place)));
  }

  return { show, mark };
}
