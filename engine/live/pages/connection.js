// The WebSocket: opens it, opens it again whenever it closes, and paints frames one at a time.

const query = new URLSearchParams(location.search);
const HEADER = 34; // bytes; see docs/live.md
const MIMES = ["image/jpeg", "image/webp"];

/** An address of the server, with the token that this page was opened with. */
export function address(path, parameters = {}) {
  const url = new URL(path, location.href);
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  const token = query.get("token");
  if (token) url.searchParams.set("token", token);
  return url.href;
}

export class Connection {
  /**
   * @param {object} hear  Functions: state, stats, event, error, frame(bitmap, number), opened, closed.
   */
  constructor(hear) {
    this.hear = hear;
    this.waiting = {}; // parameters that were changed since the last message: the newest value of each
    this.asked = {}; // parameters that this page changed: the last value of each, and when
    this.timer = 0;
    this.retry = 250;
    this.frames = []; // when the last ones were painted
    this.open();
    document.addEventListener("visibilitychange", () => this.acknowledgeHeld());
  }

  open() {
    const format = query.get("format") === "webp" ? "webp" : "jpeg";
    this.socket = new WebSocket(address("ws", { format }).replace(/^http/, "ws"));
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => {
      this.retry = 250;
      this.hear.opened?.();
    };
    this.socket.onmessage = (message) => {
      if (typeof message.data === "string") this.told(JSON.parse(message.data));
      else this.paint(message.data, this.socket);
    };
    this.socket.onclose = (closing) => {
      this.held = undefined;
      this.waiting = {}; // what was meant for then is not to happen later
      this.hear.closed?.(closing);
      setTimeout(() => this.open(), this.retry);
      this.retry = Math.min(this.retry * 1.6, 3000);
    };
  }

  told(message) {
    if ("state" in message) this.hear.state?.(message.state);
    else if ("stats" in message) this.hear.stats?.(message.stats);
    else if ("event" in message) this.hear.event?.(message);
    else if ("error" in message) this.hear.error?.(message.error);
  }

  async paint(data, socket) {
    const header = new DataView(data, 0, HEADER);
    const number = header.getUint32(4, true);
    const picture = new Blob([new Uint8Array(data, HEADER)], { type: MIMES[header.getUint16(32, true)] });
    try {
      const bitmap = await createImageBitmap(picture);
      this.hear.frame(bitmap, number);
      bitmap.close();
      this.frames.push(performance.now());
      if (this.frames.length > 60) this.frames.shift();
    } catch (error) {
      console.warn("A frame could not be painted.", error);
    }
    // A page that nobody sees asks for no frames.
    if (document.hidden) this.held = [socket, number];
    else this.acknowledge(socket, number);
  }

  acknowledge(socket, number) {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ ack: number }));
  }

  acknowledgeHeld() {
    if (document.hidden || !this.held) return;
    this.acknowledge(...this.held);
    this.held = undefined;
  }

  /** Frames painted here a second, over the last second or two. */
  fps() {
    const now = performance.now();
    const recent = this.frames.filter((moment) => moment > now - 2000);
    return recent.length < 2 ? 0 : ((recent.length - 1) * 1000) / Math.max(recent.at(-1) - recent[0], now - recent.at(-1));
  }

  /** Changes parameters. At most 60 messages a second go out; of each parameter the newest value. */
  set(values) {
    Object.assign(this.waiting, values);
    for (const [name, value] of Object.entries(values)) this.asked[name] = { value, at: performance.now() };
    if (!this.timer) {
      this.flush();
      this.timer = setTimeout(() => {
        this.timer = 0;
        if (Object.keys(this.waiting).length) this.set({});
      }, 16);
    }
  }

  /** What a parameter is as far as this page knows: what it asked for just now, else what the server told. */
  latest(name, told) {
    const asked = this.asked[name];
    return asked && performance.now() - asked.at < 1000 ? asked.value : told;
  }

  flush() {
    if (this.socket.readyState !== WebSocket.OPEN || !Object.keys(this.waiting).length) return;
    this.socket.send(JSON.stringify({ set: this.waiting }));
    this.waiting = {};
  }

  do(command, values = {}) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ do: command, ...values }));
  }
}
