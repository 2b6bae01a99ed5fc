// An operator's buttons: freeze until a time, thaw, promote, roll back, change the mode. Each needs a reason.

import { Trouble, get, post } from "./api.js";
import { el, moment, plain, say, short } from "./dom.js";

const MODES = ["continuous", "strict", "shadow", "manual"];
const ATTEMPTS = 6; // each promotion, about one a second, moves the gate's revision on while an operator reads it
const SPANS = { 3600: "for an hour", 14400: "for four hours", 86400: "for a day", 604800: "for a week", until: "until …" };
// What an operator decides by. A change of it in between is shown before any request is sent.
const SEEN = { mode: "the mode", frozen_until: "the end of the freeze", rollbacks: "the champion, by a rollback", recovering: "the wait after a rollback" };
// Reasons for which a promotion without force is refused.
const AGAINST = new Set(["harm", "crash", "behind_anchor", "recovering", "lists_changed", "scores_shifted", "forgetting", "concentrated"]);

const part = {};
let seen = null;
let refused = "";
let show = () => {};

export function build(shown) {
  show = shown;
  part.reason = el("input", { id: "reason", maxlength: "500", required: true, autocomplete: "off", "aria-describedby": "reason-note" });
  part.span = el("select", { id: "span", onchange: spanned }, ...Object.entries(SPANS).map(([value, words]) => el("option", { value, selected: value === "86400" }, words)));
  part.until = el("input", { id: "until", type: "datetime-local", "aria-label": "End of the freeze", hidden: true });
  part.freeze = button("freeze", "Freeze", "primary");
  part.thaw = button("thaw", "Thaw", "primary");
  part.freezing = el("div", { class: "row" }, part.freeze, el("label", { for: "span", class: "hidden" }, "How long"), part.span, part.until);
  part.thawing = el("div", { class: "row", hidden: true }, part.thaw);
  part.force = el("input", { id: "force", type: "checkbox", "aria-describedby": "force-note" });
  part.forceNote = el("p", { class: "quiet small", id: "force-note" });
  part.forcing = el("div", { class: "force", hidden: true },
    el("div", { class: "row" }, part.force, el("label", { for: "force" }, "Promote it anyway")), part.forceNote);
  part.back = el("p", { class: "quiet small", id: "back-note" });
  part.choice = el("select", { id: "mode" }, ...MODES.map((mode) => el("option", { value: mode }, mode)));
  part.outcome = el("p", { class: "outcome", role: "status" });
  const back = button("rollback", "Roll back");
  back.setAttribute("aria-describedby", "back-note");
  return el("form", { class: "actions", onsubmit: (event) => event.preventDefault() },
    el("label", { for: "reason" }, "Reason"), part.reason,
    el("p", { class: "quiet small", id: "reason-note" }, "Every change needs one; it is kept with the decision."),
    part.freezing, part.thawing,
    el("div", { class: "row" }, button("promote", "Promote"), back), part.back, part.forcing,
    el("div", { class: "row" }, el("label", { for: "mode" }, "Mode"), part.choice, button("mode", "Set mode")),
    part.outcome);
}

const button = (verb, words, kind = null) => el("button", { type: "button", class: kind, onclick: () => ask(verb) }, words);

// Takes over the gate as it is shown: what the buttons say, and what must still hold when one is used.
export function update(gate) {
  seen = gate;
  const frozen = gate.mode === "frozen";
  part.freezing.hidden = frozen;
  part.thawing.hidden = !frozen;
  const goal = gate.reference && gate.reference !== gate.serving ? gate.reference : gate.previous;
  say(part.back, goal ? `Roll back serves ${short(goal)} again; nothing newer goes live for a while.` : "There is nothing to roll back to yet.");
  const against = gate.recovering ? ["recovering"] : (gate.last_reasons ?? []).filter((reason) => AGAINST.has(reason));
  const why = refused || against.map(plain).join(", ");
  part.forcing.hidden = !why;
  if (!why) part.force.checked = false;
  say(part.forceNote, why ? `The evidence is against the challenger: ${why}. With this it is promoted anyway, unless it cannot be served at all.` : "");
}

function spanned() {
  part.until.hidden = part.span.value !== "until";
  if (part.until.hidden) return;
  const local = new Date(Date.now() - new Date().getTimezoneOffset() * 60000 + 4 * 3600000);
  part.until.value ||= local.toISOString().slice(0, 16);
  part.until.focus();
}

function seconds() {
  if (part.span.value !== "until") return Number(part.span.value);
  const left = (new Date(part.until.value).getTime() - Date.now()) / 1000;
  if (!(left > 0)) throw new Trouble(0, "That time has passed.", "Choose one in the future.");
  return left;
}

function body(verb) {
  const reason = part.reason.value.trim();
  if (verb === "freeze") return { reason, seconds: seconds() };
  if (verb === "mode") return { reason, mode: part.choice.value };
  if (verb === "promote") return { reason, force: part.force.checked };
  return { reason };
}

async function ask(verb) {
  if (!part.reason.value.trim()) {
    tell("Give a reason first.", true);
    return part.reason.focus();
  }
  tell("Asking …");
  try {
    const done = await carried(verb, body(verb));
    refused = verb === "promote" && done.action === "hold" ? done.reasons.map(plain).join(", ") : "";
    tell(`${plain(done.action)}: ${done.reasons.map(plain).join(", ")}${done.detail ? ` (${done.detail})` : ""}${ending(done.gate)}`, refused !== "");
    if (!refused) part.reason.value = "";
    show(done.gate);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    tell(`${error.message} ${error.next}`.trim(), true);
  }
}

const ending = (gate) => (gate.mode === "frozen" && gate.frozen_until ? `, until ${moment(gate.frozen_until)}` : "");

function tell(words, trouble = false) {
  part.outcome.className = trouble ? "outcome trouble" : "outcome";
  say(part.outcome, words);
}

// Promotions move the revision on each second. What the operator saw, and what must be unchanged, is in SEEN.
async function carried(verb, wish) {
  const before = seen;
  for (let attempt = 1; ; attempt++) {
    const now = await get("/gate");
    const changed = before ? Object.keys(SEEN).filter((name) => now[name] !== before[name]) : [];
    if (changed.length) {
      show(now);
      throw new Trouble(409, `Somebody changed ${changed.map((name) => SEEN[name]).join(" and ")} meanwhile: the mode is ${now.mode}.`, "Look at it, and ask again if it is still wanted.");
    }
    try {
      return await post(`/gate/${verb}`, { ...wish, revision: now.revision });
    } catch (error) {
      if (error.status !== 409 || attempt === ATTEMPTS) throw error;
    }
  }
}
