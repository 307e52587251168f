// Seeds: typing them, and throwing dice for them.

const MOST = 256;
const HIGHEST = 2 ** 32 - 1;

/** The list that "0-7, 12" says; throws an Error that says what is wrong with it. */
export function readSeeds(text) {
  const seeds = [];
  for (const part of text.split(/[\s,;]+/).filter(Boolean)) {
    const match = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(part);
    if (!match) throw new Error(`“${part}” is neither a number nor a range. Write seeds like 0-7, 12.`);
    const first = Number(match[1]);
    const last = Number(match[2] ?? match[1]);
    if (last < first) throw new Error(`The range ${part} runs backwards.`);
    if (last > HIGHEST) throw new Error(`${last} is too high; ${HIGHEST} is the highest seed.`);
    if (seeds.length + last - first + 1 > MOST) throw new Error(`A walk has at most ${MOST} keyframes.`);
    for (let seed = first; seed <= last; seed++) seeds.push(seed);
  }
  if (seeds.length < 2) throw new Error("A walk needs two seeds or more.");
  return seeds;
}

/** "0-7, 12" of a list. */
export function writeSeeds(seeds) {
  const parts = [];
  for (const seed of seeds) {
    const part = parts.at(-1);
    if (part && part[1] + 1 === seed) part[1] = seed;
    else parts.push([seed, seed]);
  }
  return parts.map(([first, last]) => (first === last ? `${first}` : last === first + 1 ? `${first}, ${last}` : `${first}-${last}`)).join(", ");
}

/** A seed that is easy to read out. */
export function diceSeed() {
  return Math.floor(Math.random() * 100000);
}
