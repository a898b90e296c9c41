import assert from "node:assert/strict";
import { test } from "node:test";

import { pointsOf } from "../src/sparks.ts";

test("the newest value is at the right edge, the highest at the top, and nothing at the bottom", () => {
  assert.equal(pointsOf([0, 4]), "119.0,30.0 120.0,2.0");
});

test("a curve of nothing but zeros lies at the bottom", () => {
  assert.equal(pointsOf([0, 0]), "119.0,30.0 120.0,30.0");
});
