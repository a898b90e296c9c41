import assert from "node:assert/strict";
import { test } from "node:test";

import { unpacked } from "../src/basemap.ts";

// 10 units a degree; one polygon of one ring of 4 points; one border of 2. Signs are the lowest bit: -1 is 1, 20 is 40.
const PACKED = [10, 1, 1, 4, 20, 40, 10, 0, 0, 10, 9, 9, 1, 2, 0x90, 0x1c, 0, 2, 1];

test("lines are a first place and differences, in numbers as long as they need", () => {
  const { land, borders } = unpacked(Uint8Array.from(PACKED));
  assert.deepEqual(land.features[0].geometry.coordinates, [[[1, 2], [1.5, 2], [1.5, 2.5], [1, 2]]]);
  assert.deepEqual(borders.features[0].geometry.coordinates, [[180, 0], [180.1, -0.1]]);
});

test("no coast is drawn where the flat map is cut at the date line", () => {
  const square = [1, 1, 1, 5, 356, 0, 4, 0, 0, 4, 3, 0, 0, 3, 0];
  const { coasts } = unpacked(Uint8Array.from(square.flatMap((n) => (n > 127 ? [(n & 127) | 128, n >> 7] : [n]))));
  const lines = coasts.features.map(({ geometry }) => geometry.coordinates);
  assert.deepEqual(lines, [[[178, 0], [180, 0]], [[180, 2], [178, 2], [178, 0]]]);
});

test("a long coast is drawn in several lines, which leave no gap", () => {
  const points = 15_000;
  const ring = [1, 1, 1, (points & 127) | 128, points >> 7, ...Array.from({ length: points }, () => [2, 0]).flat()];
  const lines = unpacked(Uint8Array.from([...ring, 0])).coasts.features.map(({ geometry }) => geometry.coordinates);
  assert.deepEqual(lines.map((line) => line.length), [6_000, 6_000, 3_002]);
  assert.deepEqual([lines[0].at(-1), lines[1].at(-1)], [lines[1][0], lines[2][0]]);
});

test("a map that is cut off is refused", () => {
  assert.throws(() => unpacked(Uint8Array.from(PACKED.slice(0, -1))), RangeError);
});
