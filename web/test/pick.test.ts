import assert from "node:assert/strict";
import { test } from "node:test";

import { next, pressed } from "../src/pick.ts";

const ADA = { id: 1, x: 100, y: 100 };
const BEN = { id: 2, x: 110, y: 100 };
const FAR = { id: 3, x: 900, y: 100 };

test("a press means the nearest player, and nobody when none is near", () => {
  assert.equal(pressed([BEN, ADA, FAR], 102, 100), 1);
  assert.equal(pressed([ADA, BEN], 109, 103), 2);
  assert.equal(pressed([ADA, BEN], 150, 150), null);
  assert.equal(pressed([], 0, 0), null);
});

test("the next player goes from the middle outwards and round, and leaves out who is not on screen", () => {
  const all = [FAR, BEN, ADA];
  assert.equal(next(all, null, 200, 200), 1);
  assert.equal(next(all, 1, 200, 200), 2);
  assert.equal(next(all, 2, 200, 200), 1);
  assert.equal(next(all, 3, 200, 200), 1);
  assert.equal(next([FAR], null, 200, 200), null);
});
