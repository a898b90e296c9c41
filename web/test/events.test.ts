import assert from "node:assert/strict";
import { test } from "node:test";

import { EventReader } from "../src/events.ts";

const STREAM = 'event: next\ndata: {"a":1}\n\n:\n\nevent: next\ndata: {"a":\ndata: 2}\n\nevent: complete\ndata:\n\n';
const TOLD = [
  { event: "next", data: '{"a":1}' },
  { event: "next", data: '{"a":\n2}' },
  { event: "complete", data: "" },
];

test("events are read wherever the stream is cut, and heartbeats tell nothing", () => {
  for (let cut = 0; cut <= STREAM.length; cut++) {
    const reader = new EventReader();
    assert.deepEqual([...reader.take(STREAM.slice(0, cut)), ...reader.take(STREAM.slice(cut))], TOLD);
  }
});

test("an event without an end is not kept for ever", () => {
  const reader = new EventReader();
  assert.throws(() => {
    for (let i = 0; i < 3; i++) reader.take("x".repeat(500_000));
  });
});
