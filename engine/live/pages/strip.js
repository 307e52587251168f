// The strip of keyframes: a thumbnail each, which a click goes to, and whose die gives it another seed.
import { address } from "./connection.js";
import { diceSeed } from "./seeds.js";
import { element } from "./rows.js";

/** The strip in `list`; `go(place)` and `replace(place, seed)` are called for a hand. */
export function strip(list, go, replace) {
  let shown = "";
  let marked = -1;

  function show(state) {
    const key = JSON.stringify([state.keyframes, state.generator?.fingerprint, state.walk.truncation_psi]);
    if (key === shown || !state.generator) return;
    shown = key;
    marked = -1;
    list.replaceChildren(...state.keyframes.map(item));
  }

  function item(keyframe, place) {
    const seed = keyframe.seed;
    const name = seed === null ? `${keyframe.file}${keyframe.index ? ` [${keyframe.index}]` : ""}` : `${seed}`;
    const path = seed === null ? `keyframe/${place}.jpg` : `thumb/${seed}.jpg`;
    const picture = element("img", { src: address(path, { width: 96 }), alt: "", loading: "lazy", width: 64, height: 64 });
    picture.onerror = () => picture.classList.add("missing");
    const button = element("button", { className: "keyframe", title: `Go to ${name}`, onclick: () => go(place) });
    button.append(picture, element("span", { textContent: name }));
    button.ariaLabel = `Keyframe ${place + 1}: ${name}`;
    const die = element("button", { className: "die", textContent: "⚄", title: "Another seed here" });
    die.ariaLabel = `Another seed for keyframe ${place + 1}`;
    die.onclick = () => replace(place, diceSeed());
    return element("li", {}, button, die);
  }

  function mark(position) {
    const nearest = list.children.length ? Math.round(position) % list.children.length : -1;
    if (nearest === marked) return;
    list.children[marked]?.classList.remove("here");
    list.children[nearest]?.classList.add("here");
    marked = nearest;
  }

  return { show, mark };
}
