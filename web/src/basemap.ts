/** The land and borders that came with the page; `script/build_basemap.py` makes the file. */

import basemapUrl from "./basemap.json?url";

interface Packed {
  readonly units_per_deg: number;
  readonly land: readonly (readonly (readonly number[])[])[];
  readonly borders: readonly (readonly number[])[];
}

export interface Basemap {
  readonly land: GeoJSON.FeatureCollection<GeoJSON.Polygon>;
  readonly borders: GeoJSON.FeatureCollection<GeoJSON.LineString>;
}

export async function loadBasemap(): Promise<Basemap> {
  const reply = await fetch(basemapUrl);
  return unpacked((await reply.json()) as Packed);
}

export function unpacked(packed: Packed): Basemap {
  const line = (steps: readonly number[]) => lineOf(steps, packed.units_per_deg);
  return {
    land: collection(packed.land.map((rings) => ({ type: "Polygon", coordinates: rings.map(line) }))),
    borders: collection(packed.borders.map((steps) => ({ type: "LineString", coordinates: line(steps) }))),
  };
}

/** A feature each: MapLibre draws no more than 65,535 corners of one. */
function collection<G extends GeoJSON.Geometry>(geometries: G[]): GeoJSON.FeatureCollection<G> {
  const features = geometries.map((geometry) => ({ type: "Feature" as const, geometry, properties: null }));
  return { type: "FeatureCollection", features };
}

function lineOf(steps: readonly number[], unitsPerDeg: number): [number, number][] {
  const line: [number, number][] = [];
  let [x, y] = [0, 0];
  for (let at = 0; at < steps.length; at += 2) {
    x += steps[at];
    y += steps[at + 1];
    line.push([x / unitsPerDeg, y / unitsPerDeg]);
  }
  return line;
}
