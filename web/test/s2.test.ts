import assert from "node:assert/strict";
import { test } from "node:test";

import { cellAt, cellsIn, cornersOf, numberOf, tokenOf } from "../src/s2.ts";

/** Made by the server's own cells; tests/web/test_cells.py sees to it that they still are. */
import known from "./cells.json";

test("places have the server's cells, at the poles, the date line and the cube's edges too", () => {
  assert.ok(known.length >= 200);
  for (const { lat, lng, level, token } of known) assert.equal(tokenOf(cellAt(lat, lng, level)), token, `${lat} ${lng}`);
});

test("cells have the server's corners", () => {
  for (const { lat, lng, level, corners } of known) {
    cornersOf(cellAt(lat, lng, level)).forEach((corner, i) => {
      const [wantedLat, wantedLng] = corners[i];
      assert.ok(Math.abs(corner.lat - wantedLat) < 1e-9, `${lat} ${lng}`);
      const turn = Math.abs(corner.lng - wantedLng) % 360;
      assert.ok(Math.min(turn, 360 - turn) < 1e-9 || Math.abs(wantedLat) === 90, `${lat} ${lng}`);
    });
  }
});

test("a view's cells hold every place in it", () => {
  const views = [
    { west: 14.48, south: 46.03, east: 14.53, north: 46.07 },
    { west: 179.99, south: -0.01, east: -179.99, north: 0.01 },
    { west: 44.98, south: 35.25, east: 45.02, north: 35.28 },
  ];
  for (const view of views) {
    const cells = new Set(cellsIn(view, 15, 5000)?.map(numberOf));
    const width = (view.east - view.west + 360) % 360;
    for (let step = 0; step <= 400; step++) {
      const lat = view.south + ((view.north - view.south) * (step % 20)) / 20;
      const lng = view.west + (width * Math.floor(step / 20)) / 20;
      assert.ok(cells.has(numberOf(cellAt(lat, lng, 15))), `${lat} ${lng}`);
    }
  }
});

test("a view with too many cells has none", () => {
  assert.equal(cellsIn({ west: 0, south: 40, east: 10, north: 50 }, 15, 1000), null);
});
