// The made-up shop. All that it sends and shows goes through the script for shops' pages, as on any shop's page.
"use strict";

const part = (id) => document.getElementById(id);
const FOLLOW = 700; // milliseconds until an event has gone through Kafka into the history, with some to spare
const KEPT = 8;

const key = new URLSearchParams(location.hash.slice(1)).get("key") ?? undefined;
const shop = sluicegate({ key, consent: localStorage.getItem("agreed") === "yes" });
const money = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const titles = new Map();
let coming;

function described(item) {
  titles.set(item.item_id, item.title || item.item_id);
  const price = item.price == null ? "" : money.format(item.price);
  return { ...item, about: [item.category, price].filter(Boolean).join(" · ") };
}

async function fill(id, n) {
  const links = () => [...part(id).querySelectorAll("a")];
  const focused = links().indexOf(document.activeElement);
  const slate = await shop.render(part(id), { n, attributes: ["image_url"], map: described });
  // Who moves by keyboard stays at the place, although the card there is another one.
  if (focused >= 0) links()[focused]?.focus();
  for (const card of part(id).querySelectorAll("[data-item]")) {
    card.querySelector(".picture").dataset.letter = titles.get(card.dataset.item).trim().slice(0, 1).toUpperCase();
  }
  return slate;
}

async function forYou() {
  const slate = await fill("for-you", 4);
  part("trouble").hidden = Boolean(slate?.items.length) || !shop.visitor();
}

async function open() {
  part("ask").hidden = Boolean(shop.visitor());
  part("withdraw").disabled = part("new-visitor").disabled = !shop.visitor();
  if (!shop.visitor()) return;
  for (const empty of document.querySelectorAll(".goods .empty")) empty.textContent = "Nothing to show yet.";
  await Promise.all([forYou(), fill("shelf", 16)]);
}

function happened(type, item) {
  if (!shop.track(type, item)) return;
  const line = document.createElement("li");
  line.textContent = `${type}: ${titles.get(item) ?? item}`;
  const sent = part("sent");
  if (!sent.querySelector(":not(.quiet)")) sent.replaceChildren();
  sent.prepend(line);
  while (sent.children.length > KEPT) sent.lastElementChild.remove();
  part("said").textContent = `Sent: ${line.textContent}.`;
  part("see").hidden = false;
  clearTimeout(coming);
  coming = setTimeout(forYou, FOLLOW);
}

// One listener: cards come and go. The script has noted by now which slate the card was on.
document.addEventListener("click", (event) => {
  const card = event.target.closest("[data-item]");
  const button = event.target.closest("[data-event]");
  if (!card || !(button || event.target.closest("a"))) return;
  event.preventDefault();
  happened(button ? button.dataset.event : "click", card.dataset.item);
});

function decide(agrees) {
  localStorage.setItem("agreed", agrees ? "yes" : "no");
  shop.consent(agrees);
  if (!agrees) return location.reload();
  open();
}

part("agree").addEventListener("click", () => decide(true));
part("refuse").addEventListener("click", () => {
  part("ask").hidden = true;
  part("said").textContent = "Nothing is sent or kept.";
});
part("withdraw").addEventListener("click", () => decide(false));
part("new-visitor").addEventListener("click", () => {
  shop.reset();
  part("sent").replaceChildren();
  open();
});
part("see").addEventListener("click", (event) => {
  event.preventDefault();
  part("for-you-title").scrollIntoView({ block: "center" });
});
part("with-key").addEventListener("submit", (event) => {
  event.preventDefault();
  location.hash = `key=${encodeURIComponent(part("key").value)}`;
  location.reload();
});
part("origin").textContent = location.origin;
part("where").textContent = new URL("./", location.href).href;
open();
