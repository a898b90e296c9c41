import assert from "node:assert/strict";
import { test } from "node:test";

import {
  closes,
  grouped,
  levelProgress,
  type Objective,
  objectiveName,
  objectiveProgress,
  type Person,
  place,
  type Quest,
  soonestFirst,
  toolLeft,
} from "../src/person.ts";

const PERSON: Person = {
  id: 1,
  name: "ada",
  level: 2,
  experience: 120,
  level_from: 50,
  level_to: 190,
  balances: [],
  items: [],
  tool: null,
  quests: [],
  standings: [],
};
const WALK: Objective = { kind: "walk", text: "", progress: 1250, goal: 5000, currency: null };
const QUEST: Quest = { id: "stroll", title: "A stroll", met: false, objectives: [WALK], closes_at: null };
const TOOL = { title: "Wooden pickaxe", level: 1, efficiency: "1.00" };

test("the bar of a level begins where the level does", () => {
  assert.deepEqual(levelProgress(PERSON), { part: 0.5, text: "120 of 190 experience" });
  assert.equal(levelProgress({ ...PERSON, experience: 50 }).part, 0);
});

test("the last level is whole", () => {
  assert.deepEqual(levelProgress({ ...PERSON, experience: 81350, level_to: null }), { part: 1, text: "81,350 experience" });
});

test("a tool that never wears has no bar, and one that is worn out an empty one", () => {
  assert.equal(toolLeft({ ...TOOL, wear: 7, durability: 0 }), null);
  assert.deepEqual(toolLeft({ ...TOOL, wear: 60, durability: 80 }), { part: 0.25, text: "20 of 80 left" });
  assert.deepEqual(toolLeft({ ...TOOL, wear: 90, durability: 80 }), { part: 0, text: "worn out" });
});

test("an objective that is more than met is whole", () => {
  assert.deepEqual(objectiveProgress(WALK), { part: 0.25, text: "1,250 of 5,000 m" });
  assert.deepEqual(objectiveProgress({ ...WALK, progress: 5100 }), { part: 1, text: "5,000 of 5,000 m" });
});

test("amounts in minor units are shown as a share, never as whole before they are", () => {
  const value = { ...WALK, kind: "collect", currency: "coin", progress: 4999 };
  assert.deepEqual(objectiveProgress(value), { part: 0.9998, text: "99%" });
});

test("an objective is named where a quest has several", () => {
  assert.equal(objectiveName(WALK, QUEST), "");
  assert.equal(objectiveName(WALK, { ...QUEST, objectives: [WALK, WALK] }), "Walk");
  assert.equal(objectiveName({ ...WALK, text: "Round the lake" }, QUEST), "Round the lake");
});

test("a quest that is met says so, whenever it ends", () => {
  assert.equal(closes(QUEST), "");
  assert.match(closes({ ...QUEST, closes_at: "2026-11-27T00:00:00Z" }), /^until (Thu|Fri) \d\d:\d\d$/);
  assert.equal(closes({ ...QUEST, met: true, closes_at: "2026-11-27T00:00:00Z" }), "done, to be completed");
});

test("the quest that ends first stands first, and one without an end last", () => {
  const ending = (id: string, closes_at: string | null) => ({ ...QUEST, id, closes_at });
  const quests = [ending("c", null), ending("b", "2026-11-30T00:00:00Z"), ending("a", "2026-11-27T00:00:00Z"), ending("d", null)];
  assert.deepEqual(soonestFirst(quests).map(({ id }) => id), ["a", "b", "c", "d"]);
});

test("who has no score has no place", () => {
  const standing = { board: "daily", counts: "coin", rank: null, players: 12, around: [] };
  assert.equal(place(standing), "no place yet");
  assert.equal(place({ ...standing, rank: 3 }), "3 of 12");
});

test("an amount keeps every digit", () => {
  assert.equal(grouped("9007199254740993"), "9,007,199,254,740,993");
  assert.equal(grouped("1234.5678"), "1,234.5678");
  assert.equal(grouped("12"), "12");
});
