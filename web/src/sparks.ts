/** Small curves of what was told last: each has an svg with data-spark, and reaches from nothing to its own highest. */

const POINTS = 120;
const WIDTH = 120;
const HEIGHT = 32;

export class Sparks {
  private readonly history = new Map<string, number[]>();

  constructor(private readonly root: ParentNode) {}

  /** Draws one more value; nothing is drawn where there is none. */
  add(name: string, value: number | null): void {
    if (value === null) return;
    const values = this.history.get(name) ?? [];
    values.push(value);
    if (values.length > POINTS) values.shift();
    this.history.set(name, values);
    this.root.querySelector(`[data-spark=${name}] polyline`)?.setAttribute("points", pointsOf(values));
  }

  /** Begins the curves anew. */
  clear(): void {
    this.history.clear();
  }
}

/** The corners of a curve, the newest value at the right edge. */
export function pointsOf(values: readonly number[]): string {
  const most = Math.max(...values, 1e-9);
  const points = values.map((at, i) => {
    const x = WIDTH - ((values.length - 1 - i) * WIDTH) / (POINTS - 1);
    return `${x.toFixed(1)},${(HEIGHT - 2 - (at / most) * (HEIGHT - 4)).toFixed(1)}`;
  });
  return points.join(" ");
}
