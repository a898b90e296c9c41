/** The land and borders that came with the page. `script/build_basemap.py` makes the file and says what stands in it. */

import basemapUrl from "./basemap.bin?url";

const HALF_TURN = 180;
/** MapLibre keeps room for ten corners for each point of a line, and complains of lines that could take more than 65,535. */
const SHORE_POINTS_MAX = 6_000;

export interface Basemap {
  readonly land: GeoJSON.FeatureCollection<GeoJSON.Polygon>;
  readonly coasts: GeoJSON.FeatureCollection<GeoJSON.LineString>;
  readonly borders: GeoJSON.FeatureCollection<GeoJSON.LineString>;
}

export async function loadBasemap(): Promise<Basemap> {
  const reply = await fetch(basemapUrl);
  return unpacked(new Uint8Array(await reply.arrayBuffer()));
}

export function unpacked(bytes: Uint8Array): Basemap {
  const next = numbersOf(bytes);
  const unitsPerDeg = next();
  const line = () => lineOf(next, unitsPerDeg);
  const land = times(next(), () => times(next(), line));
  return {
    land: collection(land.map((coordinates) => ({ type: "Polygon", coordinates }))),
    coasts: collection(land.flat().flatMap(shoresOf).map((coordinates) => ({ type: "LineString", coordinates }))),
    borders: collection(times(next(), () => ({ type: "LineString", coordinates: line() }))),
  };
}

/** A feature each: MapLibre draws no more than 65,535 corners of one. */
function collection<G extends GeoJSON.Geometry>(geometries: G[]): GeoJSON.FeatureCollection<G> {
  const features = geometries.map((geometry) => ({ type: "Feature" as const, geometry, properties: null }));
  return { type: "FeatureCollection", features };
}

/** A ring in lines of some length, without its edges on the date line: there the flat map is cut, and no sea is. */
function shoresOf(ring: [number, number][]): [number, number][][] {
  const shores = [[ring[0]]];
  for (let at = 1; at < ring.length; at++) {
    const isCut = Math.abs(ring[at][0]) === HALF_TURN && Math.abs(ring[at - 1][0]) === HALF_TURN;
    if (isCut) shores.push([]);
    else if (shores[shores.length - 1].length === SHORE_POINTS_MAX) shores.push([ring[at - 1]]);
    shores[shores.length - 1].push(ring[at]);
  }
  return shores.filter((shore) => shore.length > 1);
}

function lineOf(next: () => number, unitsPerDeg: number): [number, number][] {
  let [x, y] = [0, 0];
  return times(next(), () => {
    x += signed(next());
    y += signed(next());
    return [x / unitsPerDeg, y / unitsPerDeg];
  });
}

function numbersOf(bytes: Uint8Array): () => number {
  let at = 0;
  return () => {
    let number = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      number |= (byte & 0x7f) << shift;
      if (byte < 0x80) return number;
      if (byte === undefined) throw new RangeError("the base map ends too early");
    }
  };
}

function signed(number: number): number {
  return (number >>> 1) ^ -(number & 1);
}

function times<T>(count: number, make: () => T): T[] {
  return Array.from({ length: count }, make);
}
