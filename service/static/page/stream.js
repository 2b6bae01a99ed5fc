// Reads the messages of GET /stream for as long as the page is open. EventSource cannot send a key, so fetch reads it.

import { Trouble, open } from "./api.js";

const SILENCE = 12000; // milliseconds; the service sends at least a comment every 5 s
const FIRST_WAIT = 1000;
const LAST_WAIT = 10000;

const KEYS = new Set([401, 403]);

const later = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export function messages(text) {
  return text.split("\n\n").map((block) => {
    const message = { event: "", id: "", data: "" };
    for (const line of block.split("\n")) {
      const [, field, value] = /^(event|id|data): (.*)$/.exec(line) ?? [];
      if (field) message[field] = value;
    }
    return message;
  });
}

async function read(last, tell) {
  const abort = new AbortController();
  let timer = 0;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => abort.abort(), SILENCE);
  };
  alive();
  try {
    const answer = await open("/stream", { signal: abort.signal, background: true, headers: last.id ? { "Last-Event-ID": last.id } : {} });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      rest += value;
      const end = rest.lastIndexOf("\n\n");
      if (end < 0) continue;
      for (const message of messages(rest.slice(0, end))) {
        if (!message.event) continue;
        last.id = message.id;
        tell(message.event, JSON.parse(message.data));
      }
      rest = rest.slice(end + 2);
    }
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

// Calls `tell(event, data)` for each message, and `link(state, text)` when the connection changes.
export async function follow(tell, link) {
  const last = { id: "" };
  let wait = FIRST_WAIT;
  for (;;) {
    try {
      await read(last, (event, data) => {
        wait = FIRST_WAIT;
        link("live", "Live");
        tell(event, data);
      });
      link("waiting", "Reconnecting");
    } catch (error) {
      const refused = error instanceof Trouble ? error.status : 0;
      link("lost", KEYS.has(refused) ? "A key is needed" : refused ? error.message : "No answer, trying again");
    }
    await later(wait);
    wait = Math.min(2 * wait, LAST_WAIT);
  }
}
