// A page that uses sluicegate.d.ts: it compiles, what is wrong in it does not, and the types fit those of the API.
/// <reference path="./sluicegate.d.ts" />
import type { paths } from "./schema.js";

type Asked = NonNullable<paths["/recommend"]["post"]["requestBody"]>["content"]["application/json"];
type Answered = paths["/recommend"]["post"]["responses"][200]["content"]["application/json"];

const shop: Sluicegate.Client = sluicegate({ url: "https://reco.shop.example", key: "PUBLIC-KEY", consent: true });
const told: boolean = shop.track("click", "teapot-1");
shop.track("search", null, { query: "tea" });
shop.track("purchase", "teapot-1", { price: 9.5, quantity: 2, context: { tier: "gold" } });
const known: Promise<boolean> = shop.identify("ann", "proof");
const visitor: string | null = shop.visitor();
const slate: Sluicegate.Slate | null = await shop.recommend({ n: 4, timeout: 500, attributes: ["image_url"] });
await shop.render(document.querySelector("#for-you"), {
  n: 4,
  map: (item) => (item.price == null ? null : { ...item, label: `${item.price} EUR` }),
});
shop.consent(false);
shop.reset();

// What the service takes and answers is what the script takes and gives.
const asked = (options: Sluicegate.Options): Asked => options;
const answered = (answer: Answered): Sluicegate.Slate => answer;

// @ts-expect-error: a search without a text is nothing
shop.track("search", null);
// @ts-expect-error: an event needs an item
shop.track("click");
// @ts-expect-error: no such option
shop.recommend({ count: 4 });
// @ts-expect-error: the answer may be null
(await shop.recommend()).items;
// @ts-expect-error: consent is a choice, not a text
shop.consent("yes");

export { answered, asked, known, slate, told, visitor };
