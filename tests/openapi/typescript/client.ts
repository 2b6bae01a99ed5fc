// Uses the types that were generated for TypeScript: `node client.js ADDRESS KEY` prints what it found.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[] };
const [, , address = "", key = ""] = process.argv;
const api = createClient<paths>({ baseUrl: address, headers: { "X-API-Key": key } });

const event = (number: number): components["schemas"]["SentEvent"] => ({
  event_type: "purchase",
  user_id: "ann",
  item_id: "tea",
  timestamp: new Date().toISOString(),
  event_id: `typescript-${number}`,
});

const sent = await api.POST("/events", { body: [event(1), event(2)] });
const item = { params: { path: { item_id: "tea/green" } } };
const put = await api.PUT("/items/{item_id}", { ...item, body: { category: "tea", price: 9.5 } });
const known = await api.GET("/items/{item_id}", { params: { path: { item_id: "item-1" } } });
const user = { user_id: "user-1" };
const slate = await api.GET("/recommend/{user_id}", { params: { path: user, query: { n: 3 } } });
const missing = await api.GET("/items/{item_id}", { params: { path: { item_id: "no/such" } } });
const invalid = await api.GET("/recommend/{user_id}", { params: { path: user, query: { n: 0 } } });

if (put.data?.item_id !== "tea/green") throw new Error("another item");
console.log(
  JSON.stringify({
    accepted: sent.data?.accepted,
    items: slate.data?.items.length,
    put: put.data.outcome,
    category: known.data?.category,
    missing: missing.error?.status,
    invalid: invalid.error?.status,
  }),
);
