import assert from "node:assert/strict";
import { test } from "node:test";

import { unpacked } from "../src/basemap.ts";

test("lines are kept as a first place and differences", () => {
  const { land, borders } = unpacked({ units_per_deg: 10, land: [[[10, 20, 5, 0, 0, 5, -5, -5]]], borders: [[0, 0, 1, -1]] });
  assert.deepEqual(land.features[0].geometry.coordinates, [[[1, 2], [1.5, 2], [1.5, 2.5], [1, 2]]]);
  assert.deepEqual(borders.features[0].geometry.coordinates, [[0, 0], [0.1, -0.1]]);
});
