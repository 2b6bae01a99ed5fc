// A field that offers what one types: the ARIA pattern "combobox with a list", for hand, keyboard and screen reader.

import { Trouble, get, id } from "./api.js";
import { el, moment, say } from "./dom.js";
import { address, picture } from "./picture.js";
import { facts, title } from "./slate.js";

const PAUSE = 160; // milliseconds without a key before a search is sent
const OFFERED = 8;

const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"} found.`;

// What can be searched: where, what of the answer is found, how one of it is shown, and what is said. `lacking`: why there may be others.
const ITEMS = {
  list: "Items found", placeholder: "a title or an id",
  path: (typed) => `/items?q=${id(typed)}&limit=${OFFERED}`,
  found: (answer) => answer.items,
  value: (item) => item.item_id,
  option: (item) => [picture(title(item), address(item), "thumb"),
    el("span", {}, el("span", { class: "name" }, title(item)), el("span", { class: "quiet small" }, [item.item_id, facts(item)].filter(Boolean).join(" · ")))],
  lacking: (answer) => (answer.whole ? "" : " The catalogue is large: type more to find the rest."),
  told: (count, typed) => (count ? counted(count, "item") : `No title or id has “${typed}”.`),
};

const USERS = {
  list: "Users found", placeholder: "how an id begins", alone: true,
  path: (typed) => `/users?q=${id(typed)}&limit=${OFFERED}`,
  found: (answer) => answer.users,
  value: (user) => user.user_id,
  option: (user, typed) => [el("span", {}, el("span", { class: "name" }, el("b", {}, typed), user.user_id.slice(typed.length)),
    el("span", { class: "quiet small" }, user.last === null ? "no events, only attributes" : `last event ${moment(user.last)}`))],
  lacking: (answer) => `${answer.more ? " There are more: type more of the id." : ""}${answer.whole ? "" : " Not all users are listed yet."}`,
  told: (count, typed) => (count ? counted(count, "user") : `No user’s id begins with “${typed}”.`),
};

export const itemSearch = (name, words, buttons, chosen) => search(ITEMS, name, words, buttons, chosen);
export const userSearch = (name, words, buttons, chosen) => search(USERS, name, words, buttons, chosen);

// `buttons` stand next to the field, where the list does not cover them. `chosen(one)` is called with what was picked. The value of the input is an id, or what was typed.
function search(kind, name, words, buttons, chosen) {
  const list = el("ul", { id: `${name}-list`, class: "offers", role: "listbox", "aria-label": kind.list, hidden: true });
  const told = el("p", { class: "hidden", role: "status" });
  const input = el("input", { id: name, role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": `${name}-list`,
    autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: "256", required: true, placeholder: kind.placeholder });
  let found = [];
  let active = -1;
  let timer = 0;
  let running = null;

  function close() {
    clearTimeout(timer);
    running?.abort();
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function move(to) {
    active = to;
    [...list.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === active)));
    const option = list.children[active];
    if (!option) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", option.id);
    option.scrollIntoView({ block: "nearest" });
  }

  function pick(one) {
    input.value = kind.value(one);
    close();
    chosen(one);
  }

  function offer(answer, typed) {
    found = kind.found(answer);
    list.replaceChildren(...found.map((one, at) => el("li", { id: `${name}-${at}`, role: "option", class: kind.alone ? "alone" : null, "aria-selected": "false",
      onmousedown: (event) => event.preventDefault(), onclick: () => pick(one) }, ...kind.option(one, typed))));
    const lacking = kind.lacking(answer);
    say(told, kind.told(found.length, typed) + lacking);
    note.textContent = found.length && !lacking ? "" : told.textContent;
    list.hidden = !found.length;
    input.setAttribute("aria-expanded", String(found.length > 0));
    move(-1);
  }

  async function ask() {
    const typed = input.value.trim();
    running?.abort();
    if (!typed) return close();
    const own = running = new AbortController();
    try {
      const answer = await get(kind.path(typed), { signal: own.signal, background: true });
      if (!own.signal.aborted && document.activeElement === input) offer(answer, typed);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (!(error instanceof Trouble)) throw error;
      close();
      say(note, `${error.message} ${error.next}`.trim());
    }
  }

  function typed() {
    clearTimeout(timer);
    say(note, "");
    timer = setTimeout(ask, PAUSE);
  }

  function key(event) {
    const open = !list.hidden;
    if (event.key === "Escape" && open) close();
    else if (event.key === "Escape") input.value = "";
    else if (event.key === "ArrowDown" && !open) ask();
    else if (event.key === "ArrowDown") move((active + 1) % found.length);
    else if (event.key === "ArrowUp" && open) move((active < 1 ? found.length : active) - 1);
    else if (event.key === "Enter" && open && active >= 0) pick(found[active]);
    else return;
    event.preventDefault();
  }

  const note = el("p", { class: "quiet small" });
  input.addEventListener("input", typed);
  input.addEventListener("keydown", key);
  input.addEventListener("blur", close);
  return { input, close, box: el("div", { class: "search" }, el("label", { for: name }, words), el("div", { class: "row asking" }, input, ...buttons), list, told, note) };
}
