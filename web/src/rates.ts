/** Rates from totals that only grow: differences over the server's own clock, within a window that slides. */

export interface Totals {
  readonly players: number;
  readonly sockets: number;
  readonly fixes_accepted: number;
  readonly fixes_refused: number;
  readonly collected: number;
}

interface Sample {
  readonly at_ms: number;
  readonly totals: Totals;
}

const SHORTEST_MS = 900;

export class Rates {
  private samples: Sample[] = [];

  constructor(private readonly window_ms: number) {}

  add(at_ms: number, totals: Totals): void {
    this.samples = this.samples.filter((sample) => sample.at_ms >= at_ms - this.window_ms && sample.at_ms < at_ms);
    this.samples.push({ at_ms, totals });
  }

  clear(): void {
    this.samples = [];
  }

  /** How much a total grew per second; null until there is enough to tell. */
  perSecond(count: (totals: Totals) => number): number | null {
    const first = this.samples.at(0);
    const last = this.samples.at(-1);
    if (!first || !last || last.at_ms - first.at_ms < SHORTEST_MS) return null;
    return ((count(last.totals) - count(first.totals)) * 1000) / (last.at_ms - first.at_ms);
  }
}
