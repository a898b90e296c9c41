/** Asks again and again: never twice at once, only while the page is visible, ever more slowly while nobody answers. */

export type Answered = "answered" | "denied";

export interface PollState {
  readonly kind: "live" | "away" | "denied";
  /** While away: how long until the next try. */
  readonly retry_ms: number;
}

const SLOWEST_MS = 5_000;

export class Poll {
  private timer: ReturnType<typeof setTimeout> | null = null;
  private asking = false;
  private failures = 0;
  private stopped = true;

  /**
   * @param ask resolves when the server answered, and throws when it did not
   * @param tell hears how it goes, after every try
   */
  constructor(
    private readonly every_ms: number,
    private readonly ask: () => Promise<Answered>,
    private readonly tell: (state: PollState) => void,
  ) {}

  start(): void {
    this.stopped = false;
    this.now();
  }

  stop(): void {
    this.stopped = true;
    this.cancel();
  }

  /** Asks at once, unless an answer is awaited already. */
  now(): void {
    this.cancel();
    if (!this.stopped && !this.asking) void this.once();
  }

  private async once(): Promise<void> {
    const began_ms = performance.now();
    this.asking = true;
    try {
      const answered = await this.ask();
      this.failures = 0;
      if (answered === "denied") this.stopped = true;
      this.tell({ kind: answered === "denied" ? "denied" : "live", retry_ms: 0 });
      this.later(this.every_ms - (performance.now() - began_ms));
    } catch (error) {
      // Whatever went wrong, a broken answer included, the remedy is the same: say so and try again.
      console.warn("no answer:", error);
      const retry_ms = Math.min(this.every_ms * 2 ** ++this.failures, SLOWEST_MS);
      this.tell({ kind: "away", retry_ms });
      this.later(retry_ms);
    } finally {
      this.asking = false;
    }
  }

  private later(wait_ms: number): void {
    if (!this.stopped) this.timer = setTimeout(() => this.now(), Math.max(wait_ms, 0));
  }

  private cancel(): void {
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
  }
}
