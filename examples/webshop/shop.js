// What only the page knows goes out by itself, with a public key that can write such events and nothing else.
"use strict";

const { endpoint, key, visitor, item } = document.body.dataset;

function happened(type, thing) {
  const event = {
    event_type: type,
    user_id: visitor,
    item_id: thing,
    timestamp: Date.now() / 1000,
    event_id: `${visitor}-${type}-${thing}-${Date.now()}`,
  };
  // A string is sent as text/plain: a simple request, so the browser asks no question first, and it goes out even while
  // the page is being left. False: the browser's queue is full, and the event is not worth more than that.
  return navigator.sendBeacon(`${endpoint}?key=${encodeURIComponent(key)}`, JSON.stringify(event));
}

if (item) happened("click", item);
document.getElementById("heart")?.addEventListener("click", (pressed) => {
  happened("favourite", pressed.target.dataset.item);
  pressed.target.textContent = "Remembered";
});
