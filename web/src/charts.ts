/** The charts of the whole game: live figures by a GraphQL subscription, for as long as somebody can see the page. */

import type { Api, Realtime } from "./api.ts";
import { Sparks } from "./sparks.ts";

const RETRY_MS = 2_000;
const RETRY_SLOWEST_MS = 20_000;
const TOP_SHOWN = 5;
const OURS = /^events\./;

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export class Charts {
  private readonly sparks: Sparks;
  private listening: AbortController | null = null;
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** The figures that are shown, and how many there were before them. */
  shown: { readonly frames: number; readonly figures: Realtime } | null = null;

  constructor(
    private readonly api: Api,
    private readonly box: HTMLDetailsElement,
  ) {
    this.sparks = new Sparks(box);
    box.hidden = false;
    // On a phone the map needs the room; who wants the charts opens them.
    box.open = !matchMedia("(max-width: 48rem)").matches;
  }

  /** Listens, unless it does already. */
  start(): void {
    if (this.listening) return;
    clearTimeout(this.timer);
    const listening = new AbortController();
    this.listening = listening;
    void this.listen(listening);
  }

  /** Lets go of the stream: a browser has only six connections to a server, and hidden pages need none. */
  stop(): void {
    clearTimeout(this.timer);
    this.listening?.abort();
    this.listening = null;
  }

  private async listen(listening: AbortController): Promise<void> {
    let isDenied = false;
    try {
      for await (const told of this.api.realtime(listening.signal)) {
        this.failures = 0;
        if (told.figures) this.show(told.figures);
        isDenied ||= told.isDenied;
      }
    } catch (error) {
      if (listening.signal.aborted) return;
      console.warn("no live figures:", error);
    }
    if (this.listening !== listening) return;
    this.listening = null;
    if (isDenied) this.box.hidden = true;
    else this.timer = setTimeout(() => this.start(), Math.min(RETRY_MS * 2 ** this.failures++, RETRY_SLOWEST_MS));
  }

  private show(figures: Realtime): void {
    this.shown = { frames: (this.shown?.frames ?? 0) + 1, figures };
    this.figure("active", whole.format(figures.activePlayers));
    this.figure("events", (figures.eventsPerS < 100 ? fine : whole).format(figures.eventsPerS));
    this.figure("hourly", whole.format(figures.coinsCollected));
    this.sparks.add("active", figures.activePlayers);
    this.sparks.add("events", figures.eventsPerS);
    this.sparks.add("hourly", figures.coinsCollected);
    this.showTop(figures.topEvents.slice(0, TOP_SHOWN));
  }

  private showTop(events: Realtime["topEvents"]): void {
    const most = Math.max(...events.map(({ count }) => count), 1);
    const lines = events.map(({ name, count }) => {
      const line = document.createElement("li");
      const bar = document.createElement("i");
      bar.style.width = `${((100 * count) / most).toFixed(1)}%`;
      const said = document.createElement("span");
      said.textContent = name.replace(OURS, "");
      said.title = name;
      const number = document.createElement("b");
      number.textContent = whole.format(count);
      line.append(said, number, bar);
      return line;
    });
    this.box.querySelector("#top-events")?.replaceChildren(...lines);
  }

  private figure(name: string, text: string): void {
    const output = this.box.querySelector(`[data-figure=${name}]`);
    if (output && output.textContent !== text) output.textContent = text;
  }
}
