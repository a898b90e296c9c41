import assert from "node:assert/strict";
import { test } from "node:test";

import { Crowd, mercator, nearest } from "../src/crowd.ts";

function crowd(glides = true): Crowd {
  return new Crowd(() => glides);
}

function only(players: Crowd) {
  const [player, ...more] = players.players;
  assert.equal(more.length, 0);
  return player;
}

test("a player glides from place to place in the time between two answers", () => {
  const players = crowd();
  players.tell(0, [7], [46.05], [14.5]);
  players.step(500, 500);
  players.tell(500, [7], [46.05], [14.501]);
  players.step(750, 250);
  const [from, to] = [mercator(46.05, 14.5), mercator(46.05, 14.501)];
  assert.ok(Math.abs(only(players).x - (from.x + to.x) / 2) < 1e-12);
  players.step(1000, 250);
  assert.ok(Math.abs(only(players).x - to.x) < 1e-12);
});

test("with less motion asked for, a player stands at the newest place at once", () => {
  const players = crowd(false);
  players.tell(0, [7], [46.05], [14.5]);
  players.tell(500, [7], [46.05], [14.501]);
  players.step(501, 1);
  assert.equal(only(players).x, mercator(46.05, 14.501).x);
});

test("over the date line the short way is taken", () => {
  const players = crowd();
  players.tell(0, [7], [0], [179.999]);
  players.step(500, 500);
  players.tell(500, [7], [0], [-179.999]);
  players.step(750, 250);
  assert.ok(Math.abs(nearest(only(players).x - 1)) < 1e-9);
});

test("a leap is not walked and leaves no trail", () => {
  const players = crowd();
  for (const [second, lng] of [[0, 14.5], [3, 14.5001], [6, 14.5002]]) {
    players.tell(second * 1000, [7], [46.05], [lng]);
    players.step(second * 1000 + 400, 400);
  }
  assert.equal(only(players).trail.length, 2);
  players.tell(9000, [7], [40.0], [-74.0]);
  players.step(9001, 1);
  assert.ok(Math.abs(only(players).x - mercator(40, -74).x) < 1e-12);
  assert.equal(only(players).trail.length, 0);
});

test("who is no longer told of fades and is gone", () => {
  const players = crowd();
  players.tell(0, [7, 8], [46.05, 46.06], [14.5, 14.6]);
  players.step(500, 500);
  players.tell(500, [8], [46.06], [14.6]);
  players.step(600, 100);
  assert.equal(players.size, 2);
  players.step(1000, 400);
  assert.equal(only(players).id, 8);
});
