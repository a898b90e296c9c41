/** The map below the live things: land, borders, room cells and coins, all drawn by MapLibre from our own files. */

import {
  AttributionControl,
  type GeoJSONSource,
  Map as GlMap,
  NavigationControl,
  ScaleControl,
  setWorkerUrl,
  type StyleSpecification,
} from "maplibre-gl";
import "maplibre-gl/dist/maplibre-gl.css";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";

import type { Basemap } from "./basemap.ts";
import { type Cell, cellsIn, cornersOf, type View } from "./s2.ts";
import type { Theme } from "./theme.ts";

export type Coin = { readonly id: string; readonly type: string; readonly lat: number; readonly lng: number };

/** Rooms are drawn while one is at least this wide: closer together, lines are only grey. */
const ROOM_MIN_PX = 13;
/** The grid is laid this much wider than the view, in views, so that dragging does not uncover bare land. */
const GRID_MARGIN = 0.35;
const GRID_CELLS_MAX = 9000;
const EARTH_PX = 512;
const EMPTY: GeoJSON.FeatureCollection = { type: "FeatureCollection", features: [] };

setWorkerUrl(new URL(workerUrl, import.meta.url).href);

export class WorldMap {
  readonly gl: GlMap;
  private grid: View | null = null;
  private gridLevel = 0;

  constructor(container: HTMLElement, basemap: Basemap, theme: Theme, private readonly types: readonly string[]) {
    this.gl = new GlMap({
      container,
      style: styleOf(basemap, theme, types),
      hash: true,
      minZoom: 1,
      maxZoom: 20,
      center: [10, 25],
      zoom: 1.6,
      pitchWithRotate: false,
      dragRotate: false,
      touchPitch: false,
      attributionControl: false,
      fadeDuration: 0,
    });
    this.gl.touchZoomRotate.disableRotation();
    this.gl.keyboard.disableRotation();
    this.gl.addControl(new NavigationControl({ showCompass: false }), "top-right");
    this.gl.addControl(new ScaleControl({ unit: "metric", maxWidth: 120 }), "bottom-left");
    this.gl.addControl(new AttributionControl({ compact: false, customAttribution: "Natural Earth" }), "bottom-right");
    this.gl.getCanvas().setAttribute("aria-label", "Map of players. Arrow keys move it, plus and minus zoom.");
  }

  /** When layers may be filled; the land may still be on its way to the screen. */
  ready(): Promise<void> {
    return new Promise((resolve) => void this.gl.once("style.load", () => resolve()));
  }

  /** What is on screen, in degrees as the server takes them. */
  get view(): View {
    const bounds = this.gl.getBounds();
    const [south, north] = [Math.max(bounds.getSouth(), -90), Math.min(bounds.getNorth(), 90)];
    if (bounds.getEast() - bounds.getWest() >= 360) return { west: -180, south, east: 180, north };
    return { west: turned(bounds.getWest()), south, east: turned(bounds.getEast()), north };
  }

  /** How wide a cell of a level is on screen at the middle of the view; every level-L cell is about 90 / 2^L degrees. */
  cellPx(level: number): number {
    return ((EARTH_PX * 2 ** this.gl.getZoom()) / 360) * (90 / 2 ** level) / Math.cos((this.gl.getCenter().lat * Math.PI) / 180);
  }

  paint(theme: Theme): void {
    for (const layer of styleOf(NO_MAP, theme, this.types).layers) {
      for (const [name, value] of Object.entries(layer.paint ?? {})) {
        this.gl.setPaintProperty(layer.id, name as never, value as never);
      }
    }
  }

  /** Lays the grid of rooms over the view, when it does not lie there already. */
  layGrid(level: number): void {
    if (this.cellPx(level) < ROOM_MIN_PX) {
      if (this.grid !== null) void this.source("rooms").setData(EMPTY);
      this.grid = null;
      return;
    }
    const view = this.view;
    if (this.grid !== null && this.gridLevel === level && holds(this.grid, view)) return;
    const wide = widened(view, GRID_MARGIN);
    const cells = cellsIn(wide, level, GRID_CELLS_MAX);
    if (cells === null) return;
    this.grid = wide;
    this.gridLevel = level;
    void this.source("rooms").setData({ type: "MultiLineString", coordinates: cells.map(edgesOf) });
  }

  /** Lights the rooms that hold players, the brighter the more there are. */
  lightRooms(rooms: Iterable<{ cell: Cell; count: number }>): void {
    const features = Array.from(rooms, ({ cell, count }) => ({
      type: "Feature" as const,
      geometry: { type: "Polygon" as const, coordinates: [ringOf(cell)] },
      properties: { count },
    }));
    void this.source("lit").setData({ type: "FeatureCollection", features });
  }

  setCoins(coins: Iterable<Coin>): void {
    const features = Array.from(coins, (coin) => ({
      type: "Feature" as const,
      geometry: { type: "Point" as const, coordinates: [coin.lng, coin.lat] },
      properties: { id: coin.id, type: coin.type },
    }));
    void this.source("coins").setData({ type: "FeatureCollection", features });
  }

  removeCoins(ids: string[]): void {
    void this.source("coins").updateData({ remove: ids });
  }

  private source(name: string): GeoJSONSource {
    return this.gl.getSource(name) as GeoJSONSource;
  }
}

const NO_MAP: Basemap = {
  land: { type: "FeatureCollection", features: [] },
  coasts: { type: "FeatureCollection", features: [] },
  borders: { type: "FeatureCollection", features: [] },
};

function styleOf(basemap: Basemap, theme: Theme, types: readonly string[]): StyleSpecification {
  const colours = types.flatMap((type, i) => [type, theme.coins[i % theme.coins.length]]);
  return {
    version: 8,
    sources: {
      land: { type: "geojson", data: basemap.land, tolerance: 0.2 },
      coasts: { type: "geojson", data: basemap.coasts, tolerance: 0.2 },
      borders: { type: "geojson", data: basemap.borders, tolerance: 0.2 },
      rooms: { type: "geojson", data: EMPTY, maxzoom: 16, tolerance: 0 },
      lit: { type: "geojson", data: EMPTY, maxzoom: 16, tolerance: 0 },
      coins: { type: "geojson", data: EMPTY, promoteId: "id" },
    },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": theme.sea } },
      { id: "land", type: "fill", source: "land", paint: { "fill-color": theme.land, "fill-antialias": false } },
      { id: "coasts", type: "line", source: "coasts", paint: { "line-color": theme.coast, "line-width": 0.8 } },
      { id: "borders", type: "line", source: "borders", paint: { "line-color": theme.border, "line-width": 0.8 } },
      {
        id: "lit",
        type: "fill",
        source: "lit",
        paint: {
          "fill-color": theme.room,
          "fill-opacity": ["interpolate", ["linear"], ["get", "count"], 1, 0.15, 6, 0.4],
        },
      },
      {
        id: "rooms",
        type: "line",
        source: "rooms",
        paint: { "line-color": theme.grid, "line-width": ["interpolate", ["linear"], ["zoom"], 12, 0.5, 16, 1] },
      },
      {
        id: "coins",
        type: "circle",
        source: "coins",
        paint: {
          "circle-color": colours.length ? (["match", ["get", "type"], ...colours, theme.coins[0]] as never) : theme.coins[0],
          "circle-radius": ["interpolate", ["exponential", 1.5], ["zoom"], 11, 1, 14, 2.6, 16, 4.2, 19, 9],
          "circle-opacity": ["interpolate", ["linear"], ["zoom"], 12, 0.75, 15, 1],
          "circle-stroke-color": theme.ring,
          "circle-stroke-width": ["interpolate", ["linear"], ["zoom"], 13, 0, 15, 1],
        },
      },
    ],
  };
}

/** Two edges of a cell; its neighbours draw the other two. */
function edgesOf(cell: Cell): [number, number][] {
  const [first, right, , up] = ringOf(cell);
  return [up, first, right];
}

/** The corners and the first of them again, in one piece where the date line runs through the cell. */
function ringOf(cell: Cell): [number, number][] {
  const corners = cornersOf(cell);
  const [first] = corners;
  return [...corners, first].map(({ lat, lng }) => [first.lng + shortWay(lng - first.lng), lat]);
}

function holds(outer: View, inner: View): boolean {
  const [width, west] = [across(outer.east - outer.west), across(inner.west - outer.west)];
  return inner.south >= outer.south && inner.north <= outer.north && west + across(inner.east - inner.west) <= width;
}

function widened(view: View, by: number): View {
  const [width, height] = [across(view.east - view.west), view.north - view.south];
  return {
    west: turned(view.west - width * by),
    east: turned(view.east + width * by),
    south: Math.max(view.south - height * by, -90),
    north: Math.min(view.north + height * by, 90),
  };
}

function turned(lng: number): number {
  return shortWay(lng) === -180 && lng > 0 ? 180 : shortWay(lng);
}

function shortWay(degrees: number): number {
  return degrees - 360 * Math.floor((degrees + 180) / 360);
}

function across(degrees: number): number {
  return degrees < 0 ? degrees + 360 : degrees;
}
