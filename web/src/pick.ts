/** Which player is meant: by a press on the map, or by the next press of a button. */

export interface Placed {
  readonly id: number;
  readonly x: number;
  readonly y: number;
}

const REACH_PX = 16;

/** The player nearest to a point of the map; null when nobody is near. */
export function pressed(players: Iterable<Placed>, x: number, y: number): number | null {
  let found: number | null = null;
  let near_px = REACH_PX;
  for (const player of players) {
    const away_px = Math.hypot(player.x - x, player.y - y);
    if (away_px >= near_px) continue;
    near_px = away_px;
    found = player.id;
  }
  return found;
}

/** The players on screen one after the other, from the middle outwards; null when there is nobody. */
export function next(players: Iterable<Placed>, after: number | null, width: number, height: number): number | null {
  const away = ({ x, y }: Placed) => Math.hypot(x - width / 2, y - height / 2);
  const inside = Array.from(players).filter(({ x, y }) => x >= 0 && y >= 0 && x < width && y < height);
  const ids = inside.sort((one, other) => away(one) - away(other)).map(({ id }) => id);
  return ids[(ids.indexOf(after ?? NaN) + 1) % ids.length] ?? null;
}
