/** What can be collected in view: asked when the view or the time window changes, and taken away as it is collected. */

import { type Api, type CollectedItem, Refused } from "./api.ts";
import type { Coin } from "./map.ts";
import { cellAt, cornersOf, type Place, type View } from "./s2.ts";

const REMEMBERED_MAX = 5000;
const RETRY_MS = 5000;
const EARTH_M = 6_371_008.8;
/** The server looks through at most so many cells, of a disc around the view. It says so when it refuses a view. */
const CELLS_MAX = 3000;

/** `wide` is a view with too many rooms to ask for. */
export type CoinsShown = "shown" | "wide";

export class Coins {
  private readonly lying = new Map<string, Coin>();
  /** Collected lately: an answer that was on its way meanwhile may still hold them. */
  private readonly collected = new Set<string>();
  private cellsMax = CELLS_MAX;
  private asked = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly api: Api,
    private readonly roomLevel: number,
    private readonly view: () => View,
    private readonly tell: (shown: CoinsShown, coins: ReadonlyMap<string, Coin>) => void,
  ) {}

  get all(): ReadonlyMap<string, Coin> {
    return this.lying;
  }

  /** Asks for what lies in view now; an answer to an older question is dropped. */
  async ask(): Promise<void> {
    const asked = ++this.asked;
    clearTimeout(this.timer);
    const view = this.view();
    if (roomsAround(view, this.roomLevel) > this.cellsMax) return this.show("wide", []);
    try {
      const { at_ms, expires_at_ms, items } = await this.api.collectibles(view);
      if (asked !== this.asked) return;
      const coins = items.id.map((id, row) => ({ id, type: items.type[row], lat: items.lat[row], lng: items.lng[row] }));
      this.show("shown", coins);
      this.askIn(Math.max(expires_at_ms - at_ms, 0) + 250);
    } catch (error) {
      if (asked !== this.asked) return;
      if (error instanceof Refused && error.code === "live.view_too_wide") {
        this.cellsMax = Number(error.fields.cells_max ?? this.cellsMax);
        this.show("wide", []);
      } else {
        this.askIn(RETRY_MS);
      }
    }
  }

  /** Takes away what was collected; gives those that were lying here. */
  take(items: readonly CollectedItem[]): CollectedItem[] {
    for (const { id } of items) this.collected.add(id);
    for (const id of this.collected) {
      if (this.collected.size <= REMEMBERED_MAX) break;
      this.collected.delete(id);
    }
    return items.filter(({ id }) => this.lying.delete(id));
  }

  /** Forgets everything: the server began anew. */
  restart(): void {
    this.collected.clear();
    this.lying.clear();
  }

  private askIn(wait_ms: number): void {
    this.timer = setTimeout(() => void this.ask(), wait_ms);
  }

  private show(shown: CoinsShown, coins: readonly Coin[]): void {
    this.lying.clear();
    for (const coin of coins) if (!this.collected.has(coin.id)) this.lying.set(coin.id, coin);
    this.tell(shown, this.lying);
  }
}

/** About how many cells a disc around the view meets. */
export function roomsAround(view: View, level: number): number {
  const middle = { lat: (view.south + view.north) / 2, lng: view.west + ((view.east - view.west + 360) % 360) / 2 };
  const edges = [view.south, middle.lat, view.north].map((lat) => distance_m(middle, { lat, lng: view.west }));
  const corners = cornersOf(cellAt(middle.lat, middle.lng, level));
  const across_m = distance_m(corners[0], corners[2]);
  const area_m2 = (across_m * distance_m(corners[1], corners[3])) / 2;
  return (Math.PI * (Math.max(...edges) + across_m / 2) ** 2) / area_m2;
}

function distance_m(from: Place, to: Place): number {
  const [fromPhi, toPhi] = [from.lat, to.lat].map((lat) => (lat * Math.PI) / 180);
  const theta = ((to.lng - from.lng) * Math.PI) / 180;
  const half = Math.sin((toPhi - fromPhi) / 2) ** 2 + Math.cos(fromPhi) * Math.cos(toPhi) * Math.sin(theta / 2) ** 2;
  return 2 * EARTH_M * Math.asin(Math.min(Math.sqrt(half), 1));
}
