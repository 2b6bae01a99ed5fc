// Every parameter of /recommend/{user_id}, read from the running service's own description, with the equal curl line.

import { Trouble, get, id, keyed } from "./api.js";
import { el, plain, say } from "./dom.js";
import { PICTURE } from "./picture.js";
import { entry, lacking } from "./slate.js";

const OPERATION = "/recommend/{user_id}";
const PAUSE = 250; // milliseconds without a change before the slate is asked for again
// Where each parameter stands; those that a newer service has besides come last.
const GROUPS = [
  ["What is asked for", ["n", "scenario", "reasons", "language", "explain", "attributes"]],
  ["Which items", ["category", "price_min", "price_max", "tags_all", "tags_any", "filter", "exclude", "exclude_seen", "exclude_in_view", "candidates"]],
  ["In which order", ["diversity", "rotate", "explore", "pinned", "boosted", "boost_share"]],
  ["What is known of the visit", ["recent_items", "query", "context"]],
];
const FIRST = { n: "8", reasons: "operator" };

let described = null; // the parameters, asked for once
let values = { ...FIRST }; // by name; they stay for the next user

async function parameters() {
  described ??= (await get("/openapi.json")).paths[OPERATION].get.parameters.filter((each) => each.in === "query");
  return described;
}

const kinds = (schema) => (schema.anyOf ?? [schema]).filter((each) => each.type !== "null");

function control(parameter) {
  const [schema] = kinds(parameter.schema);
  const common = { id: `option-${parameter.name}`, name: parameter.name, "aria-describedby": `note-${parameter.name}` };
  const choices = schema.enum ?? (schema.type === "boolean" ? [true, false] : null);
  if (choices) {
    return el("select", common, el("option", { value: "" }, "as the service says"),
      ...choices.map((value) => el("option", { value: String(value), selected: String(value) === values[parameter.name] }, plain(String(value)))));
  }
  if (schema.type === "array") {
    const area = el("textarea", { ...common, rows: "1", placeholder: "one a line", autocapitalize: "off", spellcheck: "false" });
    area.value = values[parameter.name] ?? "";
    return area;
  }
  const numeric = schema.type === "integer" || schema.type === "number";
  return el("input", { ...common, type: numeric ? "number" : "text", min: schema.minimum, max: schema.maximum,
    step: schema.type === "integer" ? 1 : schema.maximum === 1 ? 0.05 : "any", maxlength: numeric ? null : schema.maxLength ?? 1024,
    autocomplete: "off", value: values[parameter.name] ?? null });
}

function grouped(all) {
  const named = new Set(GROUPS.flatMap(([, names]) => names));
  const groups = [...GROUPS, ["More", all.map((each) => each.name).filter((name) => !named.has(name))]];
  const known = new Map(all.map((each) => [each.name, each]));
  return groups.map(([words, names]) => [words, names.filter((name) => known.has(name)).map((name) => known.get(name))]).filter(([, found]) => found.length);
}

function query(all) {
  const found = new URLSearchParams();
  for (const { name, schema } of all) {
    const value = values[name] ?? "";
    const lines = kinds(schema)[0].type === "array" ? value.split("\n") : [value];
    for (const line of lines) if (line.trim()) found.append(name, line.trim());
  }
  return found;
}

// Names of other parameters stand between backticks.
const marked = (text) => text.split("`").map((piece, at) => (at % 2 ? el("code", {}, piece) : piece));

// The same request in a shell. The key is never in it.
function command(user, found) {
  const where = new URL(`./recommend/${id(user).replaceAll("'", "%27")}`, location.href);
  where.search = found.toString();
  where.hash = "";
  const key = keyed() ? ' -H "X-API-Key: $SLUICEGATE_KEY"' : "";
  return `curl -s${key} '${where.href.replaceAll("'", "%27")}'`;
}

// How an item stands to the slate without options: a shape and words, never a colour alone.
function moved(item, plainly) {
  const before = plainly.indexOf(item.item_id) + 1;
  if (!before) return el("span", { class: "mark new" }, "◆ new");
  if (before === item.rank) return null;
  return el("span", { class: "mark" }, before > item.rank ? `▲ was ${before}` : `▼ was ${before}`);
}

export async function panels(user, open) {
  const all = await parameters();
  const part = {
    picks: el("ol", { class: "picks" }), told: el("p", { class: "quiet small", role: "status" }), trouble: el("p", { class: "trouble", role: "alert" }),
    line: el("code", {}), copied: el("span", { class: "quiet small", role: "status" }),
  };
  let timer = 0;
  let turn = 0;

  async function ask() {
    const own = ++turn;
    const found = query(all);
    say(part.line, command(user, found));
    say(part.copied, "");
    const shown = new URLSearchParams(found);
    if (!shown.has("attributes")) shown.append("attributes", PICTURE);
    const count = shown.get("n");
    try {
      const [slate, plainly] = await Promise.all([get(`/recommend/${id(user)}?${shown}`), get(`/recommend/${id(user)}?${count ? `n=${id(count)}` : ""}`)]);
      if (own !== turn) return;
      const before = plainly.items.map((item) => item.item_id);
      part.picks.replaceChildren(...slate.items.map((item) => entry(item, { explained: true, opens: open, mark: moved(item, before) })));
      const gone = before.filter((item) => !slate.items.some((each) => each.item_id === item)).length;
      const sums = slate.items.length ? `${slate.items.length} items; ${gone} of the ${before.length} without options are gone.` : "No item fits these options.";
      say(part.told, `${sums} Ordered by ${plain(slate.served_by)}. ${lacking(slate)}`.trim());
      say(part.trouble, "");
    } catch (error) {
      if (!(error instanceof Trouble)) throw error;
      if (own === turn) say(part.trouble, `${error.message} ${error.next}`.trim());
    }
  }

  function changed(event) {
    values[event.target.name] = event.target.value;
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  }

  function reset() {
    values = { ...FIRST };
    for (const field of form.elements) if (field.name) field.value = values[field.name] ?? "";
    ask();
  }

  async function copy() {
    try {
      await navigator.clipboard.writeText(part.line.textContent);
      say(part.copied, "Copied.");
    } catch {
      // A page that is not served by https has no clipboard: the line is marked, ready to be copied by hand.
      getSelection().selectAllChildren(part.line);
      say(part.copied, "Marked: copy it with the keyboard.");
    }
  }

  const form = el("form", { class: "options", oninput: changed, onsubmit: (event) => { event.preventDefault(); ask(); } },
    ...grouped(all).map(([words, found], at) => el("details", { open: at < 3 }, el("summary", {}, words),
      el("div", { class: "fields" }, ...found.map((each) => el("div", { class: "field" },
        el("label", { for: `option-${each.name}` }, el("code", {}, each.name)), control(each),
        el("p", { class: "quiet small", id: `note-${each.name}` }, ...marked(each.description))))))),
    el("div", { class: "row" }, el("button", { class: "primary" }, "Ask"), el("button", { type: "button", onclick: reset }, "Without options")));
  await ask();
  return [el("div", { class: "columns playground" },
    el("div", { class: "panel" }, el("h3", {}, "Options"),
      el("p", { class: "quiet small" }, "All parameters of ", el("code", {}, `GET ${OPERATION}`), " of this service. The slate follows as you change them."), form),
    el("div", { class: "panel", tabindex: "0", role: "group", "aria-label": `What ${user} would get` }, el("h3", {}, `What ${user} would get`), part.trouble, part.told, part.picks,
      el("h4", {}, "The same as a command"),
      el("pre", { class: "command", tabindex: "0", "aria-label": "Command" }, part.line),
      el("div", { class: "row" }, el("button", { type: "button", onclick: copy }, "Copy"), part.copied)))];
}
