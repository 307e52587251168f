// What is kept: recordings, snapshots, takes, presets; and controls that are learned.
import { address } from "./connection.js";
import { element } from "./rows.js";

const $ = (id) => document.getElementById(id);
const MOST_FILES = 8;
const MOST_PRESET = 15000; // bytes; the server takes messages of 16 KiB

export function makeKeeping(connection, note) {
  let state = null;

  function offer(names) {
    for (const name of names) {
      const link = element("a", { href: address(`files/${encodeURIComponent(name)}`), textContent: name, download: name });
      $("files").prepend(element("li", {}, link));
    }
    while ($("files").children.length > MOST_FILES) $("files").lastChild.remove();
  }

  function heard(event) {
    if (event.files) offer(event.files);
    if (event.names) $("preset-names").replaceChildren(...event.names.map((value) => element("option", { value })));
    if (event.event === "save_preset") note(`Saved ${event.name}.`, "good");
    if (event.event === "load_preset") note("Loaded.", "good");
    if (event.error) note(`${event.event}: ${event.error}`);
    else if (/failed|refused/.test(event.event)) note(event.event);
    if (/restarted|faster$|budget/.test(event.event)) note([event.event, event.level].filter(Boolean).join(": "), "good");
  }

  function show(news) {
    state = news;
    $("record").ariaPressed = String(Boolean(news.recording));
    $("record").textContent = news.recording ? "Stop recording" : "Record";
    $("learn-panel").hidden = !news.controls;
    if (news.controls) showControls(news);
  }

  function showControls(news) {
    const names = ["speed", "truncation_psi", "position", "mix_amount", "fade", "freeze", "playing", "rotate", "translate_x", "translate_y", "noise_radius", "seconds_per_keyframe", ...news.directions.map((name) => `direction/${name}`)];
    if ($("learn-name").children.length !== names.length) {
      $("learn-name").replaceChildren(...names.map((name) => element("option", { value: name, textContent: name })));
    }
    $("learn").textContent = news.learning ? "Move a control…" : "Learn";
    $("learn").ariaPressed = String(Boolean(news.learning));
    $("bindings").replaceChildren(...bindingsOf(news.controls).map(binding));
  }

  function binding(each) {
    const forget = element("button", { textContent: "Forget", type: "button" });
    forget.onclick = () => connection.do("forget", { parameter: each.parameter });
    return element("li", {}, element("span", { textContent: `${each.control} → ${each.parameter}` }), forget);
  }

  $("record").onclick = () => connection.do(state?.recording ? "stop" : "record");
  $("snapshot").onclick = () => connection.do("snapshot");
  $("take").onclick = () => connection.do("take");
  $("learn").onclick = () => connection.do("learn", { parameter: state?.learning ? null : $("learn-name").value });
  $("preset-form").onsubmit = (event) => {
    event.preventDefault();
    if (named()) connection.do("save_preset", { name: $("preset-name").value });
  };
  $("preset-load").onclick = () => named() && connection.do("load_preset", { name: $("preset-name").value });
  $("preset-file").onchange = async () => {
    const file = $("preset-file").files[0];
    $("preset-file").value = "";
    if (!file) return;
    try {
      if (file.size > MOST_PRESET) throw new Error(`it has ${file.size} bytes, and ${MOST_PRESET} can be sent. Start with --walk FILE.`);
      connection.do("load_preset", { preset: JSON.parse(await file.text()) });
    } catch (error) {
      note(`${file.name}: ${error.message}`);
    }
  };

  function named() {
    if ($("preset-name").value && $("preset-name").checkValidity()) return true;
    note("Name the preset first: letters, digits, spaces, - and _.");
    return false;
  }

  return { heard, show };
}

const bindingsOf = (controls) => controls.bindings ?? [];
