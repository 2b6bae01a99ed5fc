// Dead letters: the newest refused records, on request, and sending them again. Both need the role admin.

import { Trouble, get, post } from "./api.js";
import { el, moment, number, say } from "./dom.js";

const SHOWN = 20;

const part = {};
let words = (reason) => reason;
let reason = "";

export function build(reasonWords) {
  words = reasonWords;
  part.list = el("ol", { class: "letters" });
  part.told = el("p", { class: "quiet small", role: "status" });
  part.reason = el("select", { id: "letters-reason", onchange: chosen }, el("option", { value: "" }, "All reasons"));
  part.outcome = el("p", { class: "outcome", role: "status" });
  part.show = el("button", { type: "button", onclick: show }, "Show the newest");
  part.count = el("button", { type: "button", onclick: () => again(true) }, "Count what can be sent again");
  part.send = el("button", { type: "button", class: "primary", hidden: true, onclick: () => again(false) });
  return el("section", { class: "panel", "aria-labelledby": "letters-title" },
    el("h3", { id: "letters-title" }, "Dead letters"),
    el("p", { class: "quiet small" }, "Records that were refused stay in a topic of their own, with the reason. Once the cause is fixed (a mapping, an event type), send them again: each goes once, however often this is asked for."),
    el("div", { class: "row" }, el("label", { for: "letters-reason" }, "Reason"), part.reason, part.show, part.count, part.send),
    part.outcome, part.told, part.list);
}

function busy(on) {
  for (const button of [part.show, part.count, part.send]) button.disabled = on;
}

async function guarded(work) {
  busy(true);
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    const key = error.status === 401 || error.status === 403 ? "Refused records can hold personal data, so they are shown to the role admin only. " : "";
    tell(`${key}${error.message} ${error.next}`.trim(), true);
  } finally {
    busy(false);
  }
}

function tell(text, trouble = false) {
  part.outcome.className = trouble ? "outcome trouble" : "outcome";
  say(part.outcome, text);
}

function chosen() {
  reason = part.reason.value;
  part.send.hidden = true;
  show();
}

function show() {
  return guarded(async () => {
    tell("");
    say(part.told, "Reading …");
    try {
      const found = await get(`/dead-letters?limit=${SHOWN}${reason ? `&reason=${reason}` : ""}`);
      const known = new Set([...part.reason.options].map((option) => option.value));
      part.reason.append(...Object.keys(found.by_reason).filter((name) => !known.has(name)).map((name) => el("option", { value: name }, words(name))));
      part.list.replaceChildren(...found.letters.map(letter));
      say(part.told, found.letters.length ? `The newest ${number(found.letters.length)}, of ${number(found.looked_at)} looked at.` : "There are none.");
    } catch (error) {
      say(part.told, "");
      throw error;
    }
  });
}

function letter(found) {
  return el("li", {},
    el("p", {}, el("b", {}, words(found.reason)), " at ", el("code", {}, found.path), `: expected ${found.expected}, found ${found.found}`),
    el("p", { class: "quiet small" }, `${found.topic}[${found.partition}] at ${found.offset}, ${moment(found.timestamp)}, ${number(found.length)} bytes${found.key ? `, key ${found.key}` : ""}`,
      found.sent_again ? el("span", { class: "badge" }, "✓ sent again") : found.whole ? null : el("span", { class: "badge" }, "only its beginning is kept")),
    found.value === null ? null : el("details", {}, el("summary", {}, "What it held", el("span", { class: "hidden" }, ` at offset ${found.offset}`)), el("pre", { tabindex: "0", "aria-label": "Value" }, found.value)));
}

// Counts first; the button that sends says how many, and is gone when the choice changes.
function again(dry) {
  return guarded(async () => {
    part.send.hidden = true;
    tell(dry ? "Counting …" : "Sending …");
    const done = await post("/dead-letters/redrive", { ...(reason && { reason }), dry_run: dry });
    const kept = done.cut ? ` ${number(done.cut)} cannot be sent: only their beginning was kept, their topic is not read, or the mapping still refuses them.` : "";
    const refused = done.refused ? ` Kafka refuses ${number(done.refused)} for good.` : "";
    const more = done.complete ? "" : " More are left: ask again.";
    if (dry) {
      tell(done.sent ? `${number(done.sent)} can be sent again${done.complete ? "" : " at once"}.${kept}${more}` : `Nothing waits to be sent again.${kept}`);
      part.send.hidden = !done.sent;
      say(part.send, `Send ${number(done.sent)} again`);
    } else {
      tell(`Sent ${number(done.sent)} again.${kept}${refused}${more}`);
    }
  });
}
