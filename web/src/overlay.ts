/** What moves on the map: players, their trails, and the pulse of something collected. */

import { type Crowd, mercator, nearest, type Player, type Point, TRAIL_MS } from "./crowd.ts";
import { type Cell, cornersOf } from "./s2.ts";
import type { Theme } from "./theme.ts";
import type { WorldMap } from "./map.ts";

interface Pulse extends Point {
  readonly began_ms: number;
  readonly colour: string;
  readonly label: string;
}

type OnScreen = (point: Point) => [number, number];

interface Seen {
  readonly player: Player;
  readonly x: number;
  readonly y: number;
}

const PULSE_MS = 1400;
const PULSES_MAX = 300;
const TRAILED_MAX = 1500;
const TRAIL_SHADES = 4;
const TRAIL_MIN_ZOOM = 11;
const WORLD_PX = 512;
const FULL_TURN = 2 * Math.PI;

export class Overlay {
  private readonly context: CanvasRenderingContext2D;
  private pulses: Pulse[] = [];
  private pointed: Point[] | null = null;
  private marked: number | null = null;
  private width = 0;
  private height = 0;
  private last_ms = performance.now();
  private stale = true;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly map: WorldMap,
    private readonly crowd: Crowd,
    private theme: Theme,
    private readonly calm: () => boolean,
  ) {
    const context = canvas.getContext("2d");
    if (!context) throw new Error("this browser has no canvas");
    this.context = context;
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.resize();
    // The map draws in its own frames while it moves; drawing in the same ones keeps players from swimming on it.
    map.gl.on("move", () => this.draw(performance.now()));
    requestAnimationFrame((now_ms) => this.frame(now_ms));
  }

  paint(theme: Theme): void {
    this.theme = theme;
    this.stale = true;
  }

  /** Outlines a room; null outlines none. */
  point(cell: Cell | null): void {
    this.pointed = cell && cornersOf(cell).map(({ lat, lng }) => mercator(lat, lng));
    this.stale = true;
  }

  /** Rings a player; null rings none. */
  mark(id: number | null): void {
    this.marked = id;
    this.stale = true;
  }

  pulse(lat: number, lng: number, colour: string, label: string): void {
    if (this.calm() || this.pulses.length >= PULSES_MAX) return;
    this.pulses.push({ ...mercator(lat, lng), began_ms: performance.now(), colour, label });
  }

  private resize(): void {
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = this.width * devicePixelRatio;
    this.canvas.height = this.height * devicePixelRatio;
    this.stale = true;
  }

  private frame(now_ms: number): void {
    const moved = this.crowd.step(performance.now(), now_ms - this.last_ms);
    this.last_ms = now_ms;
    if (moved || this.stale || this.pulses.length > 0) this.draw(performance.now());
    requestAnimationFrame((next_ms) => this.frame(next_ms));
  }

  private draw(now_ms: number): void {
    this.stale = false;
    this.pulses = this.pulses.filter((pulse) => now_ms - pulse.began_ms < PULSE_MS);
    this.context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    this.context.clearRect(0, 0, this.width, this.height);
    const zoom = this.map.gl.getZoom();
    const at = this.projection();
    if (this.pointed) this.drawPointed(this.pointed, at);
    const seen = this.seen(at);
    if (zoom >= TRAIL_MIN_ZOOM && seen.length <= TRAILED_MAX) this.drawTrails(seen, at, now_ms);
    this.drawPlayers(seen, Math.min(Math.max(2.2 + (zoom - 10) * 0.55, 2.4), 7));
    this.drawPulses(at, now_ms);
    this.context.globalAlpha = 1;
  }

  /** From the world to CSS pixels of the map; the copy of the world that is nearest to the middle of the view. */
  projection(): OnScreen {
    const { lat, lng } = this.map.gl.getCenter();
    const middle = mercator(lat, lng);
    const size = WORLD_PX * 2 ** this.map.gl.getZoom();
    return ({ x, y }) => [nearest(x - middle.x) * size + this.width / 2, (y - middle.y) * size + this.height / 2];
  }

  private seen(at: OnScreen): Seen[] {
    const seen: Seen[] = [];
    for (const player of this.crowd.players) {
      const [x, y] = at(player);
      if (x > -40 && y > -40 && x < this.width + 40 && y < this.height + 40) seen.push({ player, x, y });
    }
    return seen;
  }

  private drawPointed(corners: readonly Point[], at: OnScreen): void {
    const { context } = this;
    context.globalAlpha = 0.9;
    context.strokeStyle = this.theme.room;
    context.lineWidth = 1.5;
    context.beginPath();
    for (const corner of corners) context.lineTo(...at(corner));
    context.closePath();
    context.stroke();
  }

  /** Each trail in a few shades, the oldest part faintest; all of one shade are one stroke. */
  private drawTrails(seen: readonly Seen[], at: OnScreen, now_ms: number): void {
    const { context } = this;
    context.strokeStyle = this.theme.player;
    context.lineWidth = 2;
    context.lineJoin = "round";
    const shade_ms = TRAIL_MS / TRAIL_SHADES;
    for (let shade = 0; shade < TRAIL_SHADES; shade++) {
      context.globalAlpha = 0.5 * (1 - shade / TRAIL_SHADES) ** 1.5;
      context.beginPath();
      for (const { player } of seen) {
        const { trail } = player;
        for (let step = trail.length - 1; step >= 0; step--) {
          if (Math.floor((now_ms - trail[step].at_ms) / shade_ms) !== shade) continue;
          context.moveTo(...at(trail[step]));
          context.lineTo(...at(trail[step + 1] ?? player));
        }
      }
      context.stroke();
    }
  }

  private drawPlayers(seen: readonly Seen[], radius: number): void {
    const { context } = this;
    context.fillStyle = this.theme.player;
    for (const { player, x, y } of seen) {
      context.globalAlpha = 0.16 * player.shown;
      context.beginPath();
      context.arc(x, y, radius * 2.2, 0, FULL_TURN);
      context.fill();
    }
    context.strokeStyle = this.theme.ring;
    context.lineWidth = 1.5;
    for (const { player, x, y } of seen) {
      context.globalAlpha = player.shown;
      context.beginPath();
      context.arc(x, y, radius, 0, FULL_TURN);
      context.fill();
      context.stroke();
    }
    const marked = seen.find(({ player }) => player.id === this.marked);
    if (marked) this.drawMark(marked, radius + 5);
  }

  private drawMark({ player, x, y }: Seen, radius: number): void {
    const { context } = this;
    context.globalAlpha = player.shown;
    context.strokeStyle = this.theme.player;
    context.lineWidth = 2.5;
    context.beginPath();
    context.arc(x, y, radius, 0, FULL_TURN);
    context.stroke();
  }

  private drawPulses(at: OnScreen, now_ms: number): void {
    const { context } = this;
    context.font = "600 12px system-ui, sans-serif";
    context.textAlign = "center";
    context.lineWidth = 2;
    for (const pulse of this.pulses) {
      const part = (now_ms - pulse.began_ms) / PULSE_MS;
      const [x, y] = at(pulse);
      context.globalAlpha = (1 - part) ** 1.5;
      context.strokeStyle = context.fillStyle = pulse.colour;
      context.beginPath();
      context.arc(x, y, 4 + 22 * (1 - (1 - part) ** 3), 0, FULL_TURN);
      context.stroke();
      context.fillText(pulse.label, x, y - 12 - 16 * part);
    }
  }
}
