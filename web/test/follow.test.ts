import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { type Api, Refused } from "../src/api.ts";
import { Follow, type Whom } from "../src/follow.ts";
import type { Person } from "../src/person.ts";

type Answer = { tag: string | null; person: Person } | null;

const ADA = { id: 7, name: "ada" } as Person;
const BEN = { id: 8, name: "ben" } as Person;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
});

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

function followed(hasToken: boolean, answer: (whom: Whom, tag: string | null) => Promise<Answer>) {
  const asked: [Whom, string | null][] = [];
  const told: [Whom | null, string | null][] = [];
  const api = {
    hasToken,
    person: (whom: Whom, tag: string | null) => {
      asked.push([whom, tag]);
      return answer(whom, tag);
    },
  } as unknown as Api;
  const seen = { voided: 0 };
  const follow = new Follow(api, (whom, person) => told.push([whom, person?.name ?? null]), () => seen.voided++);
  return { follow, asked, told, seen };
}

const answers = async (whom: Whom): Promise<Answer> => ({ tag: `"${whom}"`, person: whom === "me" ? ADA : BEN });

test("with a key, or without any, nobody is asked for and nothing is told", async () => {
  const { follow, asked, told } = followed(false, answers);
  follow.start();
  await settled();
  assert.deepEqual([asked, told], [[], []]);
});

test("who signed in is asked for again and again, and told of only when something changed", async () => {
  const { follow, asked, told } = followed(true, async (whom, tag) => (tag === null ? answers(whom) : null));
  follow.start();
  await settled();
  mock.timers.tick(1_000);
  await settled();
  assert.deepEqual(asked, [["me", null], ["me", '"me"']]);
  assert.deepEqual(told, [["me", "ada"]]);
  assert.equal(follow.id, 7);
});

test("a player on the map is shown until the card is closed, then who signed in is again", async () => {
  const { follow, told } = followed(true, answers);
  follow.start();
  await settled();
  follow.show(8);
  assert.equal(follow.id, 8);
  await settled();
  follow.close();
  await settled();
  assert.deepEqual(told, [["me", "ada"], [8, null], [8, "ben"], ["me", "ada"]]);
});

test("an answer about somebody who is shown no more is dropped", async () => {
  let release: (answer: Answer) => void = () => {};
  const { follow, told } = followed(false, () => new Promise((resolve) => (release = resolve)));
  follow.show(8);
  const late = release;
  follow.show(7);
  late({ tag: null, person: BEN });
  await settled();
  assert.deepEqual(told, [[8, null], [7, null]]);
});

test("a player who left takes the card along, and a token that is over hides it and is told of", async () => {
  const { follow, told } = followed(false, async () => {
    throw new Refused(404, "live.no_player", {});
  });
  follow.show(8);
  await settled();
  assert.deepEqual(told, [[8, null], [null, null]]);
  assert.equal(follow.id, null);
  const mine = followed(true, async () => {
    throw new Refused(401, "accounts.token_expired", {});
  });
  mine.follow.start();
  await settled();
  mock.timers.tick(60_000);
  await settled();
  assert.deepEqual([mine.asked.length, mine.told, mine.seen.voided], [1, [[null, null]], 1]);
  const staff = followed(true, async () => {
    throw new Refused(403, "http.forbidden", {});
  });
  staff.follow.start();
  await settled();
  assert.equal(staff.seen.voided, 0, "a token that may look and not play is none the worse");
});
