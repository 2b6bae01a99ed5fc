// Types of the script for pages, /static/sluicegate.js. Copy this file into your project; where it is not picked up by
// itself, name it: /// <reference path="sluicegate.d.ts" />
// docs/clients.md of the project says what each call does.

declare namespace Sluicegate {
  /** What `sluicegate(...)` takes. */
  interface Settings {
    /** Where the service is; by default where the script came from. */
    url?: string;
    /** A public key, role beacon. */
    key?: string;
    /** Whether the visitor agreed; false by default, and then nothing is stored or sent. */
    consent?: boolean;
    /** The visitor's id, where the shop's server made one. */
    visitor?: string;
  }

  /** Names with text or numbers. */
  type Flat = Record<string, string | number>;

  /** Fields of an event that the script does not set itself. */
  interface EventFields {
    /** Instead of the visitor. */
    user_id?: string;
    event_id?: string;
    /** RFC 3339 with a zone, or epoch seconds or milliseconds. */
    timestamp?: string | number;
    session_id?: string;
    /** Per unit. */
    price?: number;
    /** Negative is a correction. */
    quantity?: number;
    /** The slate that led to the event. */
    request_id?: string;
    /** The text of a search. */
    query?: string;
    context?: Flat;
  }

  /** Kinds of events; a shop may have others in `events.aliases`. */
  type EventType =
    | "click" | "view" | "favourite" | "favorite" | "cart" | "addtocart" | "add_to_cart" | "purchase" | "buy" | "search"
    | "impression" | (string & {});

  interface RecentItem {
    item_id: string;
    event_type?: string;
    timestamp?: string | number;
  }

  /** Options of POST /recommend that a public key may use. */
  interface Options {
    scenario?: string;
    n?: number;
    category?: string;
    tags_all?: string[];
    tags_any?: string[];
    price_min?: number;
    price_max?: number;
    /** Attributes to answer with, of those in `service.beacon_attributes`. */
    attributes?: string[];
    exclude?: string[];
    exclude_seen?: "none" | "purchased" | "all";
    exclude_in_view?: boolean;
    recent_items?: (string | RecentItem)[];
    candidates?: string[];
    query?: string;
    context?: Flat;
    diversity?: number;
    rotate?: number;
    explore?: number;
    reasons?: "none" | "shopper" | "operator";
    language?: string;
  }

  interface RecommendOptions extends Options {
    /** Milliseconds; 2000 by default. */
    timeout?: number;
  }

  interface RenderOptions extends RecommendOptions {
    /** By default the one in the element. */
    template?: HTMLTemplateElement;
    /** Changes an item before it is shown; null leaves it out. */
    map?: (item: Item) => (Item & Record<string, unknown>) | null;
  }

  interface Item {
    item_id: string;
    score: number;
    rank: number;
    source: string;
    title?: string | null;
    category?: string | null;
    price?: number | null;
    attributes?: Record<string, string | number | boolean | (string | number)[]> | null;
    reason?: string | null;
    propensity?: number | null;
  }

  interface Slate {
    request_id: string;
    user_id: string | null;
    model_version: string | null;
    model_age_seconds: number | null;
    served_by: string;
    /** In which ways it is less than it could be. */
    degraded: string[];
    items: Item[];
    /** The user's arm in each experiment that runs. */
    experiments?: Record<string, string>;
  }

  interface Client {
    /** Sets whether the visitor agrees. Refusing forgets the visitor and every event that waits. */
    consent(agrees: boolean): void;
    /** The visitor's id; null without consent. */
    visitor(): string | null;
    /** Sends an event. False without consent. */
    track(event_type: "search", item_id: string | null | undefined, more: EventFields & { query: string }): boolean;
    track(event_type: EventType, item_id: string, more?: EventFields): boolean;
    /** Joins the visitor with a user who has logged in; resolves to whether it was accepted. */
    identify(user_id: string, proof?: string): Promise<boolean>;
    /** Begins a new visitor; call it at a logout. */
    reset(): void;
    /** Resolves to a slate, or null when there is none in time. */
    recommend(options?: RecommendOptions): Promise<Slate | null>;
    /** Fills the element with a copy of its template for each item. Without items it stays as it is. */
    render(element: Element | null, options?: RenderOptions): Promise<Slate | null>;
  }
}

/** Makes a client. No call throws into the page: a failure is one warning in the console. */
declare function sluicegate(settings?: Sluicegate.Settings): Sluicegate.Client;
