// A status, told by its shape, its word and its colour: any one of them is enough.

import { el, say, svg } from "./dom.js";

const STATUSES = {
  good: { word: "good", shape: [["circle", { cx: 8, cy: 8, r: 7, class: "ground" }], ["path", { d: "M4.5 8.2L7 10.7L11.5 5.6", class: "sign" }]] },
  look: { word: "look at it", shape: [["path", { d: "M8 1.2L15.2 14.2H0.8Z", class: "ground" }], ["path", { d: "M8 5.6V9.4M8 11.4V12.2", class: "sign" }]] },
  bad: { word: "bad", shape: [["path", { d: "M5 1H11L15 5V11L11 15H5L1 11V5Z", class: "ground" }], ["path", { d: "M5.2 5.2L10.8 10.8M10.8 5.2L5.2 10.8", class: "sign" }]] },
  unknown: { word: "not known yet", shape: [["circle", { cx: 8, cy: 8, r: 6.2, class: "ring" }], ["path", { d: "M5 8H11", class: "dash" }]] },
};

const drawn = (status) => svg("svg", { viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" },
  ...STATUSES[status].shape.map(([name, attributes]) => svg(name, attributes)));

export function status() {
  return el("p", { class: "status" });
}

// `word`: what to say instead of the word of the status.
export function tell(place, now, word = STATUSES[now].word) {
  if (place.dataset.status !== now) {
    place.dataset.status = now;
    place.replaceChildren(drawn(now), el("span"));
  }
  say(place.lastChild, word);
}
