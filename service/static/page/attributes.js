// What the shop says of a user: the attributes, and a form that sets them.

import { Trouble, get, id, put } from "./api.js";
import { el, say } from "./dom.js";

const LOOKS = 20; // looks for new attributes, one every PAUSE: the learner writes them within a second as a rule
const PAUSE = 500; // milliseconds

function listed(attributes) {
  const rows = Object.entries(attributes).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, [value].flat().map(String).join(", "))]);
  return rows.length ? el("dl", { class: "facts" }, ...rows) : el("p", { class: "quiet" }, "The shop has given none.");
}

// The panel of a user with these attributes.
export function panel(user, attributes) {
  const list = el("div", {}, listed(attributes));
  const text = el("textarea", { id: "attributes", rows: "3", spellcheck: "false", autocapitalize: "off", "aria-describedby": "attributes-note" });
  text.value = JSON.stringify(attributes);
  const outcome = el("p", { class: "outcome", role: "status" });
  const tell = (words, trouble = false) => {
    outcome.className = trouble ? "outcome trouble" : "outcome";
    say(outcome, words);
  };

  async function set() {
    try {
      const sent = read(text.value);
      const answer = await put(`/users/${id(user)}`, { attributes: sent });
      const left = answer.left_out.length ? ` Left out, because it cannot be used: ${answer.left_out.join(", ")}.` : "";
      if (answer.outcome === "unchanged") return tell(`They are in force already.${left}`);
      tell(`Accepted.${left}`);
      const found = await inForce(comparable(sent, answer.left_out));
      if (found === null) return tell(`Accepted, and not in force yet: look again later.${left}`);
      list.replaceChildren(listed(found));
      tell(`They are in force.${left}`);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      tell(`${error.message} ${error.next}`.trim(), true);
    }
  }

  // The user's attributes once they are what is wanted; null when that takes too long.
  async function inForce(wanted) {
    for (let look = 0; look < LOOKS; look++) {
      const { attributes: found } = await get(`/users/${id(user)}`);
      if (comparable(found) === wanted) return found;
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    return null;
  }

  return el("div", { class: "panel" }, el("h3", {}, "What the shop says of this user"), list,
    el("details", {}, el("summary", {}, "Change the attributes"),
      el("form", { class: "field", onsubmit: (event) => { event.preventDefault(); set(); } },
        el("label", { for: "attributes" }, "Attributes, as a JSON object"), text,
        el("p", { class: "quiet small", id: "attributes-note" }, "They replace all others of the user; {} removes them. They say who takes part in an experiment, and where slates are counted."),
        el("div", { class: "row" }, el("button", { class: "primary" }, "Set attributes")), outcome)));
}

// Attributes in the order of their names, without those that were left out and those that are no value.
const comparable = (attributes, left = []) => JSON.stringify(Object.entries(attributes)
  .filter(([name, value]) => !left.includes(name) && ![null, "", "[]"].includes(Array.isArray(value) ? JSON.stringify(value) : value))
  .sort(([one], [other]) => (one < other ? -1 : 1)));

function read(text) {
  let found = null;
  try {
    found = JSON.parse(text);
  } catch {}
  if (found === null || typeof found !== "object" || Array.isArray(found)) throw new Trouble(0, "This is no JSON object.", 'Write it as {"plan": "pro", "orders": 12}.');
  return found;
}
