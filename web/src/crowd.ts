/** Players between two answers of the server: each glides to its newest place and leaves a trail. */

/** Web Mercator: the whole world is 0 to 1, x to the east and y to the south. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Player {
  readonly id: number;
  /** Where it is drawn now, and how visible, 0 to 1. */
  x: number;
  y: number;
  shown: number;
  /** Where it was, oldest first; the newest place is not among them. */
  readonly trail: { x: number; y: number; at_ms: number }[];
}

interface Walk extends Player {
  fromX: number;
  fromY: number;
  toX: number;
  toY: number;
  gone: boolean;
}

const FADE_MS = 400;
const GLIDE_MIN_MS = 200;
const GLIDE_MAX_MS = 1500;
const TRAIL_STEP_MS = 2000;
/** A step longer than this (about 400 m at the equator) is a leap: nobody walked it. */
const LEAP = 1e-5;
const MAX_LAT = 85.051129;

export const TRAIL_MS = 60_000;

export function mercator(lat: number, lng: number): Point {
  const phi = (Math.min(Math.max(lat, -MAX_LAT), MAX_LAT) * Math.PI) / 180;
  return { x: lng / 360 + 0.5, y: 0.5 - Math.log(Math.tan(Math.PI / 4 + phi / 2)) / (2 * Math.PI) };
}

export class Crowd {
  private readonly walks = new Map<number, Walk>();
  private told_ms = -Infinity;
  private glide_ms = GLIDE_MIN_MS;
  private moved_ms = -Infinity;

  /** `glides` is false where people ask for less motion: players then stand at their newest place at once. */
  constructor(private readonly glides: () => boolean) {}

  get players(): Iterable<Player> {
    return this.walks.values();
  }

  get size(): number {
    return this.walks.size;
  }

  /** Takes the newest places; whoever is not among them fades away. */
  tell(now_ms: number, ids: readonly number[], lats: readonly number[], lngs: readonly number[]): void {
    this.glide_ms = Math.min(Math.max(now_ms - this.told_ms, GLIDE_MIN_MS), GLIDE_MAX_MS);
    this.told_ms = now_ms;
    for (const walk of this.walks.values()) walk.gone = true;
    ids.forEach((id, row) => {
      const { x, y } = mercator(lats[row], lngs[row]);
      const walk = this.walks.get(id);
      if (walk) turn(walk, x, y, now_ms);
      else this.walks.set(id, { id, x, y, fromX: x, fromY: y, toX: x, toY: y, shown: 0, gone: false, trail: [] });
    });
    this.moved_ms = now_ms;
  }

  /** Moves everybody to where they are at `now_ms`; false when nothing changed. */
  step(now_ms: number, passed_ms: number): boolean {
    if (now_ms - this.moved_ms > GLIDE_MAX_MS + FADE_MS) return false;
    const part = this.glides() ? Math.min((now_ms - this.told_ms) / this.glide_ms, 1) : 1;
    const fade = this.glides() ? passed_ms / FADE_MS : 1;
    for (const walk of this.walks.values()) {
      walk.x = walk.fromX + (walk.toX - walk.fromX) * part;
      walk.y = walk.fromY + (walk.toY - walk.fromY) * part;
      walk.shown = Math.min(Math.max(walk.shown + (walk.gone ? -fade : fade), 0), 1);
      if (walk.gone && walk.shown === 0) this.walks.delete(walk.id);
    }
    return true;
  }

  clear(): void {
    this.walks.clear();
  }
}

function turn(walk: Walk, x: number, y: number, now_ms: number): void {
  walk.gone = false;
  if (Math.hypot(nearest(x - walk.x), y - walk.y) > LEAP) {
    walk.trail.length = 0;
    walk.x = x;
    walk.y = y;
  } else if (now_ms - (walk.trail.at(-1)?.at_ms ?? -Infinity) >= TRAIL_STEP_MS) {
    walk.trail.push({ x: walk.x, y: walk.y, at_ms: now_ms });
    while (walk.trail[0].at_ms < now_ms - TRAIL_MS) walk.trail.shift();
  }
  walk.fromX = walk.x;
  walk.fromY = walk.y;
  walk.toX = walk.x + nearest(x - walk.x);
  walk.toY = y;
}

/** A difference of x the short way round the world. */
export function nearest(dx: number): number {
  return dx - Math.round(dx);
}
