/** The running map: asks the server, keeps what it said, and hands it to the map, the overlay and the panel. */

import { Card } from "./card.ts";
import { Charts } from "./charts.ts";
import { type About, type Api, Refused, type World } from "./api.ts";
import { Coins, type CoinsShown, roomsAround } from "./coins.ts";
import { Crowd } from "./crowd.ts";
import { Follow } from "./follow.ts";
import { type Coin, WorldMap } from "./map.ts";
import { Overlay } from "./overlay.ts";
import type { Panel } from "./panel.ts";
import { next, type Placed, pressed } from "./pick.ts";
import { type Answered, Poll, type PollState } from "./poll.ts";
import { Rates } from "./rates.ts";
import { type Cell, cellAt, numberOf, tokenOf, type View } from "./s2.ts";
import type { Theme } from "./theme.ts";

const POLL_MS = 500;
const RATE_WINDOW_MS = 10_000;
const ROOM_SHOWN_PX = 4;
const SETTLE_MS = 200;
const CROWD_ZOOM_MAX = 15;
const HOME_SHARE = 0.4; // of the city's radius: from farther away nobody is seen to walk
const FIRST_VIEW_ROOMS = 2700;
const WHOLE_WORLD: View = { west: -180, south: -90, east: 180, north: 90 };

export class Live {
  private readonly crowd: Crowd;
  private readonly coins: Coins;
  private readonly follow: Follow;
  private readonly overlay: Overlay;
  private readonly rates = new Rates(RATE_WINDOW_MS);
  private readonly poll: Poll;
  private readonly charts: Charts | null;
  private world: World | null = null;
  private coinsShown: CoinsShown = "wide";
  /** Whether the token that we came with is not taken, or no more. */
  private isVoid = false;
  private state: PollState = { kind: "away", retry_ms: 0 };
  private rooms = new Map<number, { cell: Cell; count: number }>();
  private settling: ReturnType<typeof setTimeout> | undefined;

  /** `denied` is told when the server no longer lets us look. `placed` says that the address bar already has a view. */
  constructor(
    private readonly api: Api,
    private readonly about: About,
    private readonly map: WorldMap,
    private readonly panel: Panel,
    private theme: Theme,
    private placed: boolean,
    private readonly denied: () => void,
  ) {
    const calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.crowd = new Crowd(() => !calm.matches);
    const canvas = document.getElementById("live") as HTMLCanvasElement;
    this.overlay = new Overlay(canvas, map, this.crowd, theme, () => calm.matches);
    this.coins = new Coins(api, about.room_level, () => map.view, (shown, coins) => this.showCoins(shown, coins));
    const card = new Card(document, () => this.follow.close());
    this.follow = new Follow(api, (whom, person) => {
      card.tell(whom, person);
      this.overlay.mark(this.follow.id);
    }, () => {
      this.isVoid = true;
      this.explain();
    });
    this.poll = new Poll(POLL_MS, () => this.ask(), (state) => this.tell(state));
    this.charts = about.charts ? new Charts(api, document.getElementById("charts") as HTMLDetailsElement) : null;
    if (!placed && about.home) this.goHome(about.home);
  }

  start(): void {
    const { gl } = this.map;
    gl.on("move", () => this.map.layGrid(this.about.room_level));
    gl.on("movestart", ({ originalEvent }) => {
      if (originalEvent) this.placed = true;
    });
    gl.on("moveend", () => this.settle());
    gl.on("mousemove", ({ lngLat }) => this.pointAt(cellAt(lngLat.lat, lngLat.lng, this.about.room_level)));
    gl.on("mouseout", () => this.pointAt(null));
    if (this.about.follows) this.offerPlayers();
    document.addEventListener("visibilitychange", () => this.watch());
    this.map.layGrid(this.about.room_level);
    void this.coins.ask();
    this.watch();
  }

  /** Asks while somebody can see the page. */
  private watch(): void {
    for (const asking of [this.poll, this.follow, this.charts]) {
      if (document.hidden) asking?.stop();
      else asking?.start();
    }
  }

  paint(theme: Theme): void {
    this.theme = theme;
    this.map.paint(theme);
    this.overlay.paint(theme);
    this.panel.legend(this.about, theme);
  }

  /** What is shown at this moment; players' x and y are pixels from the map's upper left corner. */
  get seen() {
    return {
      state: this.state.kind,
      epoch: this.world?.epoch ?? null,
      totals: this.world?.totals ?? null,
      view: this.map.view,
      players: this.placedPlayers(),
      marked: this.follow.id,
      coins: Array.from(this.coins.all.keys()),
      rooms: this.rooms.size,
      charts: this.charts?.shown ?? null,
    };
  }

  private placedPlayers(): Placed[] {
    const at = this.overlay.projection();
    return Array.from(this.crowd.players, (player) => {
      const [x, y] = at(player);
      return { id: player.id, x, y };
    });
  }

  /** Players may be chosen: by a press on the map, or one after the other by a button. */
  private offerPlayers(): void {
    const { gl } = this.map;
    gl.on("click", ({ point }) => {
      const id = pressed(this.placedPlayers(), point.x, point.y);
      if (id !== null) this.follow.show(id);
    });
    this.panel.offerPlayers(() => {
      const { clientWidth, clientHeight } = gl.getContainer();
      const id = next(this.placedPlayers(), this.follow.id, clientWidth, clientHeight);
      if (id !== null) this.follow.show(id);
    });
  }

  private async ask(): Promise<Answered> {
    try {
      // Until the map has found its place it looks for players everywhere.
      const view = this.placed ? this.map.view : WHOLE_WORLD;
      this.take(await this.api.world(view, this.world?.collected.last ?? null));
      // Who looks needs no key here, and what is asked with a void one is refused.
      if (this.isVoid) this.api.forgetKey();
      return "answered";
    } catch (error) {
      if (error instanceof Refused && error.isDenied) return "denied";
      throw error;
    }
  }

  private take(told: World): void {
    const before = this.world;
    if (before && before.epoch !== told.epoch) return this.restart();
    const { items } = told.collected;
    const last = items.at(-1)?.n ?? told.collected.last;
    this.world = { ...told, collected: { last, items: [] } };
    this.rates.add(told.at_ms, told.totals);
    this.crowd.tell(performance.now(), told.players.id, told.players.lat, told.players.lng);
    this.lightRooms(told);
    if (before && items.length > 0) this.collect(before, told);
    this.panel.world(told, this.rates);
    if (!this.placed) this.goToPlayers(told);
  }

  private collect(before: World, { collected: { items } }: World): void {
    const taken = this.coins.take(items);
    if (taken.length > 0) {
      this.map.removeCoins(taken.map(({ id }) => id));
      this.countCoins();
    }
    for (const { type, lat, lng } of taken) {
      const kind = this.about.types.findIndex((known) => known.type === type);
      const colour = this.theme.coins[Math.max(kind, 0) % this.theme.coins.length];
      this.overlay.pulse(lat, lng, colour, kind < 0 ? "" : `+${this.about.types[kind].value}`);
    }
    // The server forgot some of what was collected while nobody asked.
    if (items[0].n > before.collected.last + 1) void this.coins.ask();
  }

  /** The server was started anew: its numbers and ids mean other things now. */
  private restart(): void {
    this.world = null;
    this.rates.clear();
    this.crowd.clear();
    this.coins.restart();
    this.panel.restart();
    this.follow.close();
    void this.coins.ask();
  }

  private tell(state: PollState): void {
    this.state = state;
    if (state.kind === "denied") {
      this.panel.state("denied");
      return this.denied();
    }
    this.panel.state(state.kind === "live" ? "live" : "away");
    this.explain();
  }

  private explain(): void {
    if (this.state.kind === "away" && this.state.retry_ms > 0) {
      this.panel.notice("The server is away. Trying again.");
    } else if (this.isVoid) {
      this.panel.notice("The token is wrong or has run out. The map goes on without it.");
    } else {
      this.panel.notice(this.coinsShown === "wide" ? `Zoom in to see ${this.about.collectibles}` : null);
    }
  }

  private showCoins(shown: CoinsShown, coins: ReadonlyMap<string, Coin>): void {
    this.coinsShown = shown;
    this.map.setCoins(coins.values());
    this.countCoins();
    this.explain();
  }

  private countCoins(): void {
    this.panel.coins(this.coinsShown === "shown" ? this.coins.all.size : null);
  }

  private settle(): void {
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      this.poll.now();
      void this.coins.ask();
    }, SETTLE_MS);
  }

  private lightRooms({ players: { lat, lng } }: World): void {
    this.rooms.clear();
    const areShown = this.map.cellPx(this.about.room_level) >= ROOM_SHOWN_PX;
    if (areShown) {
      for (let row = 0; row < lat.length; row++) {
        const cell = cellAt(lat[row], lng[row], this.about.room_level);
        const room = this.rooms.get(numberOf(cell));
        if (room) room.count++;
        else this.rooms.set(numberOf(cell), { cell, count: 1 });
      }
    }
    this.map.lightRooms(this.rooms.values());
    this.panel.rooms(areShown ? this.rooms.size : null);
  }

  private pointAt(cell: Cell | null): void {
    const shown = this.map.cellPx(this.about.room_level) >= ROOM_SHOWN_PX ? cell : null;
    this.overlay.point(shown);
    this.panel.pointed(shown ? `location:cell:${tokenOf(shown)}` : "");
  }

  /** To the middle of the city, so near that walkers are seen to walk. */
  private goHome({ lat, lng, radius_m }: NonNullable<About["home"]>): void {
    this.placed = true;
    const up = (radius_m / 111_195) * HOME_SHARE;
    const right = up / Math.cos((lat * Math.PI) / 180);
    const camera = this.map.gl.cameraForBounds([[lng - right, lat - up], [lng + right, lat + up]]);
    if (!camera) return;
    this.map.gl.jumpTo(camera);
    // Nearer, when it would show the players of a city and none of its coins.
    while (roomsAround(this.map.view, this.about.room_level) > FIRST_VIEW_ROOMS && this.map.gl.getZoom() < CROWD_ZOOM_MAX) {
      this.map.gl.jumpTo({ zoom: this.map.gl.getZoom() + 0.1 });
    }
  }

  /** To where the players are, the first time there are any. */
  private goToPlayers({ players: { lat, lng } }: World): void {
    if (lat.length === 0) return;
    this.placed = true;
    const bounds: [[number, number], [number, number]] = [
      [Math.min(...lng), Math.min(...lat)],
      [Math.max(...lng), Math.max(...lat)],
    ];
    this.map.gl.fitBounds(bounds, { padding: 60, maxZoom: CROWD_ZOOM_MAX, animate: false });
  }
}
