// A field that offers items as one types: the ARIA pattern "combobox with a list", for hand, keyboard and screen reader.

import { Trouble, get, id } from "./api.js";
import { el, say } from "./dom.js";
import { address, picture } from "./picture.js";
import { facts, title } from "./slate.js";

const PAUSE = 160; // milliseconds without a key before a search is sent
const OFFERED = 8;

// `button` stands next to the field, where the list does not cover it. `chosen(item)` is called with an item that was picked. The value of the input is an id, or what was typed.
export function itemSearch(name, words, button, chosen) {
  const list = el("ul", { id: `${name}-list`, class: "offers", role: "listbox", "aria-label": "Items found", hidden: true });
  const told = el("p", { class: "hidden", role: "status" });
  const input = el("input", { id: name, role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": `${name}-list`,
    autocomplete: "off", autocapitalize: "off", spellcheck: "false", maxlength: "256", required: true, placeholder: "a title or an id" });
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

  function pick(item) {
    input.value = item.item_id;
    close();
    chosen(item);
  }

  function offer(answer, typed) {
    found = answer.items;
    list.replaceChildren(...found.map((item, at) => el("li", { id: `${name}-${at}`, role: "option", "aria-selected": "false",
      onmousedown: (event) => event.preventDefault(), onclick: () => pick(item) },
    picture(title(item), address(item), "thumb"),
    el("span", {}, el("span", { class: "name" }, title(item)), el("span", { class: "quiet small" }, [item.item_id, facts(item)].filter(Boolean).join(" · "))))));
    const more = answer.whole ? "" : " The catalogue is large: type more to find the rest.";
    say(told, found.length ? `${found.length} items found.${more}` : `No title or id has “${typed}”.${more}`);
    note.textContent = found.length && answer.whole ? "" : told.textContent;
    list.hidden = !found.length;
    input.setAttribute("aria-expanded", String(found.length > 0));
    move(-1);
  }

  async function search() {
    const typed = input.value.trim();
    running?.abort();
    if (!typed) return close();
    const own = running = new AbortController();
    try {
      const answer = await get(`/items?q=${id(typed)}&limit=${OFFERED}`, { signal: own.signal, background: true });
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
    timer = setTimeout(search, PAUSE);
  }

  function key(event) {
    const open = !list.hidden;
    if (event.key === "Escape" && open) close();
    else if (event.key === "Escape") input.value = "";
    else if (event.key === "ArrowDown" && !open) search();
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
  return { input, close, box: el("div", { class: "search" }, el("label", { for: name }, words), el("div", { class: "row asking" }, input, button), list, told, note) };
}
