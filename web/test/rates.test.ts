import assert from "node:assert/strict";
import { test } from "node:test";

import { Rates, type Totals } from "../src/rates.ts";

function totals(collected: number): Totals {
  return { players: 0, sockets: 0, fixes_accepted: 0, fixes_refused: 0, collected };
}

function collecting(rates: Rates): number | null {
  return rates.perSecond((at) => at.collected);
}

test("a rate is the growth over the server's own time", () => {
  const rates = new Rates(10_000);
  rates.add(1_000, totals(5));
  rates.add(3_000, totals(11));
  assert.equal(collecting(rates), 3);
});

test("one answer, or two within a moment, tell no rate", () => {
  const rates = new Rates(10_000);
  assert.equal(collecting(rates), null);
  rates.add(1_000, totals(5));
  assert.equal(collecting(rates), null);
  rates.add(1_100, totals(50));
  assert.equal(collecting(rates), null);
});

test("what lies before the window is forgotten", () => {
  const rates = new Rates(10_000);
  rates.add(0, totals(0));
  rates.add(11_000, totals(1_000));
  rates.add(13_000, totals(1_004));
  assert.equal(collecting(rates), 2);
});

test("a clock that was set back begins anew", () => {
  const rates = new Rates(10_000);
  rates.add(50_000, totals(10));
  rates.add(20_000, totals(12));
  rates.add(22_000, totals(20));
  assert.equal(collecting(rates), 4);
});
