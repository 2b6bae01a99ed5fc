// Makes elements. Text is only ever set as text, because titles and ids come from outside.

export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

// Replaces text only where it differs, so that a screen reader does not repeat it.
export function say(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

// Draws again when the width of a place changes. Outside the observer's own turn: a drawing changes sizes itself.
export function onWidth(target, draw) {
  let width = -1;
  new ResizeObserver(() => {
    if (target.clientWidth === width) return;
    width = target.clientWidth;
    requestAnimationFrame(draw);
  }).observe(target);
}

export function skeletons(count, kind) {
  return Array.from({ length: count }, () => el("li", { class: `skeleton ${kind}`, "aria-hidden": "true" }));
}

const whole = new Intl.NumberFormat("en");

export const number = (value) => whole.format(Math.round(value));

export const percent = (value) => `${(100 * value).toFixed(1)} %`;

export const price = (value) => (value === undefined || value === null ? "" : value.toFixed(2));

export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 90) return `${value.toFixed(1)} s`;
  return value < 5400 ? `${Math.round(value / 60)} min` : `${(value / 3600).toFixed(1)} h`;
}

const DAY = 86400;

// Includes the day where the time alone would mislead.
export function moment(epoch) {
  const at = new Date(epoch * 1000);
  return Math.abs(epoch - Date.now() / 1000) < DAY / 2 ? at.toLocaleTimeString("en-GB") : at.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

export const clock = (epoch) => new Date(epoch * 1000).toLocaleTimeString("en-GB");

// A version's id is sequence, token and hash; people tell versions apart by the sequence.
export const short = (version) => (version ? `v${version.split("-")[0]}` : "none");

export const plain = (word) => word.replaceAll("_", " ");
