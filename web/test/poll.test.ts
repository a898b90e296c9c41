import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { type Answered, Poll, type PollState } from "../src/poll.ts";

/** Lets what was promised come about, without time passing. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

function polled(ask: () => Promise<Answered>) {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
  const states: PollState[] = [];
  const poll = new Poll(500, ask, (state) => states.push(state));
  const pass = async (ms: number) => {
    mock.timers.tick(ms);
    await settled();
  };
  return { poll, states, pass };
}

test("a question is not asked again before it is answered", async () => {
  let asked = 0;
  let answer: (answered: Answered) => void = () => {};
  const { poll, pass } = polled(() => {
    asked++;
    return new Promise((resolve) => {
      answer = resolve;
    });
  });
  poll.start();
  poll.now();
  await pass(5_000);
  assert.equal(asked, 1);
  answer("answered");
  await settled();
  await pass(500);
  assert.equal(asked, 2);
  poll.stop();
});

test("while nobody answers it asks ever more slowly, and at once recovers", async () => {
  let away = true;
  const { poll, states, pass } = polled(() => (away ? Promise.reject(new Error("away")) : Promise.resolve("answered")));
  poll.start();
  await settled();
  for (let tries = 0; tries < 6; tries++) await pass(10_000);
  assert.deepEqual(states.map(({ retry_ms }) => retry_ms), [1_000, 2_000, 4_000, 5_000, 5_000, 5_000, 5_000]);
  away = false;
  await pass(10_000);
  assert.equal(states.at(-1)?.kind, "live");
  poll.stop();
});

test("it stops for good when it is denied", async () => {
  let asked = 0;
  const { poll, states, pass } = polled(() => {
    asked++;
    return Promise.resolve("denied");
  });
  poll.start();
  await settled();
  await pass(60_000);
  assert.equal(asked, 1);
  assert.deepEqual(states, [{ kind: "denied", retry_ms: 0 }]);
});
