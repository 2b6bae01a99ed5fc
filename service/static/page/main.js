// Builds the views and feeds all of them from one stream; each view takes what it shows.

import * as data from "./data.js";
import * as experiments from "./experiments.js";
import * as gate from "./gate.js";
import * as learning from "./learning.js";
import * as lookup from "./lookup.js";
import * as overview from "./overview.js";
import * as record from "./record.js";
import * as shop from "./shop.js";
import { say } from "./dom.js";
import { follow } from "./stream.js";
import { current, install } from "./tabs.js";

const VIEWS = { overview, shop, learning, gate, experiments, data, lookup };

function link(state, text) {
  const place = document.getElementById("link");
  const before = place.dataset.state;
  place.dataset.state = state;
  say(document.getElementById("link-text"), text);
  if (state === "lost") for (const view of Object.values(VIEWS)) view.lost?.(text);
  if (state === "live" && before === "lost") for (const view of Object.values(VIEWS)) view.reconnected?.();
}

function warn(state) {
  const notice = document.getElementById("notice");
  const text = state.gate.store_error
    ? `Redis does not answer: the champion stays as it is. ${state.gate.store_error}`
    : state.gate.load_error
      ? `The champion cannot be loaded; an earlier version is served. ${state.gate.load_error}`
      : "";
  notice.hidden = text === "";
  say(notice, text);
}

function dispatch(event, data) {
  record.take(event, data);
  if (event === "state") warn(data);
  for (const view of Object.values(VIEWS)) view.update?.(event, data, view === VIEWS[current()]);
}

for (const [name, view] of Object.entries(VIEWS)) view.build(document.getElementById(name));
addEventListener("lookup", (event) => {
  document.getElementById("tab-lookup").click();
  lookup.show(event.detail.kind, event.detail.id);
});
install((name) => VIEWS[name].opened?.());
follow(dispatch, link);
