// Shows the picture of an item where the catalogue has one, and the first letter of its title where it has none.

import { el } from "./dom.js";

export const PICTURE = "image_url"; // the attribute of an item that has the address of its picture

// The policy of the page loads pictures by https alone, wherever the shop keeps them.
export const loadable = (address) => typeof address === "string" && /^(https:|data:image\/)/.test(address);

// `address` may be missing, or be of a picture that is gone: then the letter stays.
export function picture(title, address, kind = "") {
  const letter = [...title.trim()][0] ?? "·";
  const box = el("span", { class: `picture ${kind}`.trim(), "data-letter": letter.toUpperCase(), "aria-hidden": "true" });
  if (loadable(address)) {
    box.append(el("img", { src: address, alt: "", loading: "lazy", decoding: "async", referrerpolicy: "no-referrer",
      onerror: (event) => event.currentTarget.remove() }));
  }
  return box;
}

export const address = (item) => item.attributes?.[PICTURE];
