/**
 * Sluicegate for pages: sends what a visitor does, and shows recommendations.
 *
 *     const shop = sluicegate({ url: "https://reco.shop.example", key: "PUBLIC-KEY", consent: true });
 *     shop.track("click", "teapot-1");
 *     shop.render(document.querySelector("#for-you"), { n: 4 });
 *
 * No call throws into the page: a failure is one warning in the console, which says what to do next.
 * The service serves this file without comments and indentation, so each comment has lines of its own.
 */
(() => {
  "use strict";

  // Events that wait while the service is away; beyond it the oldest are dropped. About 50 KB of the browser's 5 MB.
  const LIMIT = 200;
  // Events of one request: about 8 KB, where a public key may send 16.
  const BATCH = 25;
  // Milliseconds to wait for further events before a request, and for the service after its first failure.
  const GATHER = 200;
  const PAUSE = 1000;
  // Answers after which the same events can never be taken.
  const NEVER = [400, 413, 415, 422];
  // A script's address ends so; what stands before it is the service's.
  const HERE = document.currentScript?.src.split("/static/")[0];
  // Attributes whose value a browser opens or loads.
  const ADDRESS = /href$|src$|action$|^data$/;
  // Attributes whose value a browser runs or parses.
  const CODE = /^(on|style|srcdoc)/;

  const random = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => (byte + 256).toString(16).slice(1)).join("");

  // Where storage is blocked, a plain object lasts as long as the page.
  let kept = {};
  try {
    kept = localStorage;
  } catch {}

  // The words for {{title}}; {{title|item_id}} takes the first that there is. Within an address, words are encoded.
  const words = (text, item, address) => text.replace(/{{(.+?)}}/g, (_, names, place) => {
    const known = { ...item.attributes, ...item };
    const found = names.split("|").map((name) => known[name.trim()]).find((value) => value != null) ?? "";
    return address && place ? encodeURIComponent(found) : found;
  });

  const opens = (text) => text && /^https?:$/.test(Object.assign(document.createElement("a"), { href: text }).protocol);

  // Values from outside become text and the values of attributes, never markup, code or an address that is run.
  const fill = (node, item) => {
    if (/^(script|style)$/i.test(node.nodeName)) return;
    for (const { name, value } of [...(node.attributes ?? [])]) {
      if (!value.includes("{{")) continue;
      const address = ADDRESS.test(name);
      const text = words(value, item, address);
      if (CODE.test(name) || (address && !opens(text))) node.removeAttribute(name);
      else node.setAttribute(name, text);
    }
    if (node.nodeType === 3) node.data = words(node.data, item);
    node.childNodes.forEach((child) => fill(child, item));
  };

  /**
   * Makes a client.
   *
   * url: where the service is; by default where this script came from. key: a public key, role beacon.
   * consent: whether the visitor has agreed; false by default, and then nothing is stored or sent.
   * visitor: the visitor's id, where the shop's server has made one; by default one is made and kept.
   */
  globalThis.sluicegate = ({ url = HERE, key, consent = false, visitor } = {}) => {
    let sending = [];
    let timer = 0;
    let pause = PAUSE;
    let warned = "";

    const warn = (text) => {
      if (text !== warned) console.warn("sluicegate: " + (warned = text));
    };
    const address = (path) => url + path + (key ? "?key=" + encodeURIComponent(key) : "");
    // With a key in the address, text/plain: the browser then asks no question before it sends.
    const kind = key ? "text/plain" : "application/json";
    // With `ok` and `told`, the answer; without, there was none.
    const post = async (path, body, ms) => {
      try {
        const answer = await fetch(address(path), {
          method: "POST", keepalive: !ms, headers: { "Content-Type": kind }, body: JSON.stringify(body),
          signal: ms && AbortSignal.timeout(ms),
        });
        const told = await answer.json();
        if (!answer.ok) warn(`${told.detail} ${told.next}`);
        return { status: answer.status, ok: answer.ok, wait: answer.headers.get("Retry-After"), told };
      } catch (error) {
        warn(`${error.message}: ${url} is away, or does not have this origin in service.beacon_origins`);
        return { told: {} };
      }
    };

    const id = () => visitor || (kept["sg:visitor"] ||= "v-" + random());
    // An entry for each event, so that two tabs never overwrite each other's; the names sort by time.
    const waiting = () => Object.keys(kept).filter((name) => name.startsWith("sg:event:")).sort();
    const drop = (names) => names.forEach((name) => delete kept[name]);
    // The slates that the visitor's last clicks came from, by item.
    const from = () => JSON.parse(kept["sg:from"] ?? "{}");
    const later = (ms) => {
      clearTimeout(timer);
      timer = setTimeout(flush, ms);
    };
    // An event that goes out at once happened on arrival: a visitor's clock may be wrong.
    const batch = (names) => names.map((name) => {
      const { at, ...event } = JSON.parse(kept[name]);
      return Date.now() - at < 5000 ? event : { timestamp: at / 1000, ...event };
    });

    async function flush(most = BATCH) {
      timer = 0;
      const names = consent ? waiting().slice(0, most) : [];
      if (sending.length || !names.length) return;
      sending = names;
      let next = 0;
      const { ok, status, told, wait } = await post("/events", batch(names));
      if (status === 413 && names.length > 1) most = names.length >> 1;
      else if (ok) drop(names.filter((_, place) => told.outcomes?.[place]?.outcome !== "unavailable"));
      else if (NEVER.includes(status)) drop(names);
      else next = 1000 * wait || pause / 2;
      if (told.unavailable) next = pause / 2;
      if (told.rejected) warn(JSON.stringify(told.outcomes));
      sending = [];
      // Not all pages at the same moment, and none before the time that the service named.
      if (next) later(next + Math.random() * pause);
      pause = next ? Math.min(2 * pause, 60000) : PAUSE;
      if (!next && waiting().length) return flush(most);
    }

    // The page may be gone before it is answered: the events are kept too, and their ids keep them from counting twice.
    addEventListener("pagehide", () => {
      const names = consent ? waiting().filter((name) => !sending.includes(name)).slice(0, BATCH) : [];
      if (names.length) navigator.sendBeacon(address("/events"), new Blob([JSON.stringify(batch(names))], { type: kind }));
    });
    addEventListener("online", () => flush());

    const client = {
      /** Sets whether the visitor agrees. Refusing forgets the visitor and every event that waits. */
      consent(agrees) {
        consent = agrees;
        if (agrees) later(0);
        else drop(Object.keys(kept).filter((name) => name.startsWith("sg:")));
      },

      /** The visitor's id, for the shop's server to use; null without consent. */
      visitor: () => (consent ? id() : null),

      /** Sends an event: track("search", null, { query: "tea" }). False without consent. */
      track(event_type, item_id, more) {
        if (!consent) return false;
        const at = Date.now();
        const event_id = at.toString(36) + random();
        try {
          const event = { event_type, user_id: id(), event_id, request_id: from()[item_id], at, ...more };
          kept["sg:event:" + event_id] = JSON.stringify(item_id == null ? event : { item_id, ...event });
        } catch (error) {
          warn(error.message);
          return false;
        }
        drop(waiting().slice(0, -LIMIT));
        timer ||= setTimeout(flush, GATHER);
        return true;
      },

      /** Joins this visitor with a user who has logged in; proof: as the shop's server signed it. */
      async identify(user_id, proof) {
        if (!consent) return false;
        if (kept["sg:user"] === user_id) return true;
        // Another user in the same browser is another visitor.
        if (kept["sg:user"]) client.reset();
        const { ok = false } = await post("/identify", { anonymous_id: id(), user_id, proof });
        if (ok && consent) kept["sg:user"] = user_id;
        return ok;
      },

      /** Begins a new visitor: call it when a user logs out. Events that wait are still sent, as the one before. */
      reset() {
        drop(["sg:visitor", "sg:user", "sg:from"]);
      },

      /** The slate for this visitor, null when there is none in time. Options are those of POST /recommend. */
      async recommend({ timeout = 2000, ...options } = {}) {
        if (!consent) return null;
        const { ok, told } = await post("/recommend", { user_id: id(), ...options }, timeout);
        return ok ? told : null;
      },

      /**
       * Fills the element with a copy of its template for each item. Without a slate the element stays as it is.
       * template: a <template>; by default the one in the element. map: changes an item, null leaves it out.
       */
      async render(element, { template = element?.querySelector("template"), map = (item) => item, ...options } = {}) {
        if (!template?.content) return warn("render needs an element with a <template>"), null;
        const slate = await client.recommend(options);
        const items = slate?.items.map(map).filter(Boolean) ?? [];
        if (!items.length) return slate;
        const { request_id } = slate;
        const seen = new IntersectionObserver((entries) => entries.forEach(({ isIntersecting, target }) => {
          if (!isIntersecting) return;
          seen.unobserve(target);
          client.track("impression", target.dataset.item, { request_id });
        }), { threshold: 0.5 });
        const made = items.map((item) => {
          const copy = template.content.firstElementChild.cloneNode(true);
          fill(copy, item);
          copy.dataset.item = item.item_id;
          // What follows from a click here carries the slate's id, on the next page too.
          copy.addEventListener("click", () => {
            const last = Object.entries(from()).slice(-50);
            if (consent) kept["sg:from"] = JSON.stringify({ ...Object.fromEntries(last), [item.item_id]: request_id });
          }, true);
          return copy;
        });
        element.replaceChildren(...(element.contains(template) ? [template] : []), ...made);
        made.forEach((copy) => seen.observe(copy));
        return slate;
      },
    };
    if (consent) later(0);
    return client;
  };
})();
