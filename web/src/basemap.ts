/** The land and borders that came with the page. `script/build_basemap.py` makes the file and says what stands in it. */

import basemapUrl from "./basemap.bin?url";

export interface Basemap {
  readonly land: GeoJSON.FeatureCollection<GeoJSON.Polygon>;
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
  return {
    land: collection(times(next(), () => ({ type: "Polygon", coordinates: times(next(), line) }))),
    borders: collection(times(next(), () => ({ type: "LineString", coordinates: line() }))),
  };
}

/** A feature each: MapLibre draws no more than 65,535 corners of one. */
function collection<G extends GeoJSON.Geometry>(geometries: G[]): GeoJSON.FeatureCollection<G> {
  const features = geometries.map((geometry) => ({ type: "Feature" as const, geometry, properties: null }));
  return { type: "FeatureCollection", features };
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
