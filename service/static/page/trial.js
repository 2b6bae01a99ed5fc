// A mapping is tried on records that are pasted: what becomes an event, what is left out, what is refused. Sends nothing.

import { Trouble, get, post } from "./api.js";
import { el, number, plain, say } from "./dom.js";

const PRESET = "rees46";
const SAMPLE = '{"event_time": "2026-01-31 12:00:00 UTC", "event_type": "view", "product_id": 7, "price": 24.9, "user_id": 9}';

const part = {};
let ready = false;

export function build() {
  part.mapping = el("select", { id: "trial-mapping", onchange: described }, el("option", { value: "" }, "…"));
  part.about = el("p", { class: "quiet small" });
  part.records = el("textarea", { id: "trial-records", rows: "7", spellcheck: "false", autocapitalize: "off", maxlength: "262144", required: true,
    placeholder: SAMPLE });
  part.trouble = el("p", { class: "trouble", role: "alert" });
  part.result = el("div", { class: "tried", "aria-live": "polite" });
  return el("section", { class: "panel", "aria-labelledby": "trial-title" },
    el("h3", { id: "trial-title" }, "Try a mapping"),
    el("p", { class: "quiet small" }, "Paste a record of another shape, a list, or one a line. It is read as the learner would read it, and nothing is sent."),
    el("form", { class: "trial", onsubmit: (event) => { event.preventDefault(); tryIt(); } },
      el("div", { class: "field" }, el("label", { for: "trial-mapping" }, "Mapping"), part.mapping, part.about),
      el("div", { class: "field" }, el("label", { for: "trial-records" }, "Records"), part.records),
      el("div", { class: "row" }, el("button", { class: "primary" }, "Try"), el("button", { type: "button", onclick: sample }, "Use a sample"))),
    part.trouble, part.result);
}

export async function opened() {
  if (ready) return;
  try {
    const { mappings } = await get("/mappings", { background: true });
    const groups = [["Of the settings", mappings.filter((each) => !each.preset)], ["Presets", mappings.filter((each) => each.preset)]];
    part.mapping.replaceChildren(...groups.filter(([, found]) => found.length).map(([label, found]) => el("optgroup", { label },
      ...found.map((each) => el("option", { value: each.name, "data-about": each.about }, each.name)))));
    ready = true;
    described();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    say(part.trouble, `${error.message} ${error.next}`.trim());
  }
}

const described = () => say(part.about, part.mapping.selectedOptions[0]?.dataset.about ?? "");

function sample() {
  part.mapping.value = PRESET;
  part.records.value = SAMPLE;
  described();
  tryIt();
}

async function tryIt() {
  try {
    show(await post("/mappings/try", { mapping: part.mapping.value, records: part.records.value }));
    say(part.trouble, "");
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    part.result.replaceChildren();
    say(part.trouble, `${error.message} ${error.next}`.trim());
  }
}

const SHAPES = { event: "✓ event", refused: "✕ refused", ignored: "– ignored" };

function record(found) {
  const left = found.left_out?.length ? ` Left out, because it cannot be used: ${found.left_out.join(", ")}.` : "";
  const facts = found.facts ? `It completes the facts of its item: ${JSON.stringify(found.facts)}.` : "";
  return el("li", { class: `outcome-${found.outcome}` },
    el("p", {}, el("b", {}, SHAPES[found.outcome]), ` ${found.at}`),
    found.outcome === "event" ? el("dl", { class: "facts" }, ...Object.entries(found.event).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, typeof value === "object" ? JSON.stringify(value) : String(value))])) : null,
    facts ? el("p", { class: "quiet small" }, facts) : null,
    left ? el("p", { class: "quiet small" }, left.trim()) : null,
    found.outcome === "refused" ? el("p", { class: "trouble" }, `${plain(found.reason)} at ${found.path}: expected ${found.expected}, found ${found.found}`) : null,
    found.outcome === "ignored" ? el("p", { class: "quiet small" }, `The mapping makes no event of a record like this${found.found ? `: ${found.found}` : ""}.`) : null);
}

function show(found) {
  part.result.replaceChildren(
    el("p", { class: "summary" }, `${number(found.events)} ${found.events === 1 ? "event" : "events"}, ${number(found.ignored)} ignored, ${number(found.refused)} refused.`),
    el("ol", { class: "records" }, ...found.records.map(record)),
    el("details", {}, el("summary", {}, "Where each field is read from"),
      el("dl", { class: "facts" }, ...Object.entries(found.fields).flatMap(([ours, theirs]) => [el("dt", {}, ours), el("dd", {}, theirs)])),
      found.unread.length ? el("p", { class: "quiet small" }, `Not read here, because they are facts of items: ${found.unread.join(", ")}.`) : null),
    found.advice.length ? el("div", {}, el("h4", {}, "What could be wrong"), el("ul", { class: "sentences" }, ...found.advice.map((text) => el("li", {}, text)))) : "");
}
