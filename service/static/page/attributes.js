// What the shop says of a user: the attributes, and a form that sets them.

import { Trouble, get, id, put } from "./api.js";
import { el, say } from "./dom.js";

const LOOKS = 20; // looks for new attributes, one every PAUSE: the learner writes them within a second as a rule
const PAUSE = 500; // milliseconds

const listed = (attributes) => Object.entries(attributes).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, [value].flat().map(String).join(", "))]);

// The panel of a user with these attributes.
export function panel(user, attributes) {
  const list = el("dl", { class: "facts" }, ...listed(attributes));
  const none = el("p", { class: "quiet", hidden: Object.keys(attributes).length > 0 }, "The shop has given none.");
  const text = el("textarea", { id: "attributes", rows: "3", spellcheck: "false", autocapitalize: "off", "aria-describedby": "attributes-note" });
  text.value = JSON.stringify(attributes);
  const outcome = el("p", { class: "outcome", role: "status" });
  const tell = (words, trouble = false) => {
    outcome.className = trouble ? "outcome trouble" : "outcome";
    say(outcome, words);
  };

  async function set() {
    try {
      const answer = await put(`/users/${id(user)}`, { attributes: read(text.value) });
      const left = answer.left_out.length ? ` Left out, because it cannot be used: ${answer.left_out.join(", ")}.` : "";
      if (answer.outcome === "unchanged") return tell(`They are in force already.${left}`);
      tell(`Accepted.${left}`);
      const found = await inForce(attributes);
      if (found === null) return tell(`Accepted, and not in force yet: look again later.${left}`);
      attributes = found;
      list.replaceChildren(...listed(found));
      none.hidden = Object.keys(found).length > 0;
      tell(`They are in force.${left}`);
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      tell(`${error.message} ${error.next}`.trim(), true);
    }
  }

  // The user's attributes once they are others than before; null when that takes too long.
  async function inForce(before) {
    for (let look = 0; look < LOOKS; look++) {
      const { attributes: found } = await get(`/users/${id(user)}`);
      if (JSON.stringify(found) !== JSON.stringify(before)) return found;
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
    return null;
  }

  return el("div", { class: "panel" }, el("h3", {}, "What the shop says of this user"), list, none,
    el("details", {}, el("summary", {}, "Change the attributes"),
      el("form", { onsubmit: (event) => { event.preventDefault(); set(); } },
        el("label", { for: "attributes" }, "Attributes, as a JSON object"), text,
        el("p", { class: "quiet small", id: "attributes-note" }, "They replace all others of the user; {} removes them. They say who takes part in an experiment, and where slates are counted."),
        el("div", { class: "row" }, el("button", { class: "primary" }, "Set attributes")), outcome)));
}

function read(text) {
  let found = null;
  try {
    found = JSON.parse(text);
  } catch {}
  if (found === null || typeof found !== "object" || Array.isArray(found)) throw new Trouble(0, "This is no JSON object.", 'Write it as {"plan": "pro", "orders": 12}.');
  return found;
}
