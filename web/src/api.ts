/** The live API of the server that this page came from. */

import { EventReader } from "./events.ts";
import type { Whom } from "./follow.ts";
import type { Person } from "./person.ts";
import type { Totals } from "./rates.ts";
import type { View } from "./s2.ts";

export interface CollectibleType {
  readonly type: string;
  readonly value: string;
  readonly currency: string;
}

export interface About {
  readonly title: string;
  readonly planet: string;
  readonly collectibles: string;
  readonly demo: boolean;
  /** Whether we may ask for players one by one. */
  readonly follows: boolean;
  /** Whether we may listen to the figures of the whole game. */
  readonly charts: boolean;
  readonly server: { readonly version: string };
  readonly room_level: number;
  readonly home: { readonly lat: number; readonly lng: number; readonly radius_m: number } | null;
  readonly types: readonly CollectibleType[];
}

export interface CollectedItem {
  readonly n: number;
  readonly id: string;
  readonly type: string;
  readonly lat: number;
  readonly lng: number;
}

export interface World {
  readonly epoch: string;
  readonly at_ms: number;
  readonly totals: Totals;
  readonly in_view: number;
  readonly players: { readonly id: readonly number[]; readonly lat: readonly number[]; readonly lng: readonly number[] };
  readonly collected: { readonly last: number; readonly items: readonly CollectedItem[] };
}

export interface Collectibles {
  readonly at_ms: number;
  readonly expires_at_ms: number;
  readonly items: {
    readonly id: readonly string[];
    readonly type: readonly string[];
    readonly lat: readonly number[];
    readonly lng: readonly number[];
  };
}

/** The live figures of the whole game: the last five minutes' players, a minute's rate, an hour's counts. */
export interface Realtime {
  readonly at: string;
  readonly activePlayers: number;
  readonly eventsPerS: number;
  readonly coinsCollected: number;
  readonly topEvents: readonly { readonly name: string; readonly count: number }[];
}

/** The server answered, and it was no. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly fields: Record<string, unknown>,
  ) {
    super(`${status} ${code}`);
  }

  /** Whether a key, or another one, would help. */
  get isDenied(): boolean {
    return this.status === 401 || this.status === 403;
  }
}

const DEVELOPER_KEY = "owdev_";
const KEY_ITEM = "overworld.key";
const TIMEOUT_MS = 10_000;
const NOT_MODIFIED = 304;
const REALTIME = "subscription { realtime { at activePlayers eventsPerS coinsCollected topEvents { name count } } }";
const DENIED = new Set(["http.unauthenticated", "http.forbidden"]);

export class Api {
  private key = sessionStorage.getItem(KEY_ITEM);

  get hasKey(): boolean {
    return this.key !== null;
  }

  /** Whether somebody signed in: a developer key is nobody's. */
  get hasToken(): boolean {
    return this.key !== null && !this.key.startsWith(DEVELOPER_KEY);
  }

  /** Uses a developer key or an access token from now on, for as long as the tab is open. */
  useKey(key: string): void {
    this.key = key;
    sessionStorage.setItem(KEY_ITEM, key);
  }

  forgetKey(): void {
    this.key = null;
    sessionStorage.removeItem(KEY_ITEM);
  }

  about(): Promise<About> {
    return this.get("about", {});
  }

  world(view: View, collectedAfter: number | null): Promise<World> {
    return this.get("world", collectedAfter === null ? { ...view } : { ...view, collected_after: collectedAfter });
  }

  collectibles(view: View): Promise<Collectibles> {
    return this.get("collectibles", { ...view });
  }

  /** A player and the tag of this answer; null when it would be the one that has the tag given. */
  async person(whom: Whom, tag: string | null): Promise<{ tag: string | null; person: Person } | null> {
    const reply = await this.ask(whom === "me" ? "me" : `players/${whom}`, tag === null ? {} : { "If-None-Match": tag });
    if (reply.status === NOT_MODIFIED) return null;
    return { tag: reply.headers.get("ETag"), person: (await reply.json()) as Person };
  }

  /** The live figures whenever they are told, until the server ends the stream or the signal does. */
  async *realtime(signal: AbortSignal): AsyncGenerator<{ figures: Realtime | null; isDenied: boolean }> {
    const reply = await fetch("graphql/stream", {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "text/event-stream", ...this.credentials() },
      body: JSON.stringify({ query: REALTIME }),
      signal,
      cache: "no-store",
      credentials: "omit",
    });
    if (!reply.ok || !reply.body) throw new Refused(reply.status, "", {});
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    const events = new EventReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      for (const { event, data } of events.take(part.value)) {
        if (event === "next") yield toldIn(JSON.parse(data));
      }
    }
  }

  private credentials(): Record<string, string> {
    return this.key === null ? {} : credentials(this.key);
  }

  private async get<T>(what: string, query: Record<string, number>): Promise<T> {
    const words = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
    return (await (await this.ask(`${what}${words.size ? `?${words}` : ""}`)).json()) as T;
  }

  private async ask(path: string, headers: Record<string, string> = {}): Promise<Response> {
    const reply = await fetch(`v1/live/${path}`, {
      headers: { ...headers, ...this.credentials() },
      signal: AbortSignal.timeout(TIMEOUT_MS),
      cache: "no-store",
      credentials: "omit",
    });
    if (reply.ok || reply.status === NOT_MODIFIED) return reply;
    const problem = (await reply.json().catch(() => ({}))) as Record<string, unknown>;
    throw new Refused(reply.status, String(problem.code ?? ""), problem);
  }
}

function toldIn(answer: {
  readonly data?: { readonly realtime: Realtime | null } | null;
  readonly errors?: readonly { readonly extensions?: { readonly code?: string } }[];
}): { figures: Realtime | null; isDenied: boolean } {
  const codes = (answer.errors ?? []).map(({ extensions }) => extensions?.code ?? "");
  return { figures: answer.data?.realtime ?? null, isDenied: codes.some((code) => DENIED.has(code)) };
}

/** A developer key has a header of its own; anything else is a token, all that a server in production takes. */
function credentials(key: string): Record<string, string> {
  return key.startsWith(DEVELOPER_KEY) ? { "Overworld-Key": key } : { Authorization: `Bearer ${key}` };
}
