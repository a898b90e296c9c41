/** The figures beside the map. It writes text and nothing else; the page's structure stands in index.html. */

import type { About, World } from "./api.ts";
import type { Rates } from "./rates.ts";
import { Sparks } from "./sparks.ts";
import type { Theme } from "./theme.ts";

const NOTHING = "–";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const share = new Intl.NumberFormat("en", { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });

type State = "live" | "connecting" | "away" | "denied";
const STATES: Record<State, string> = { live: "Live", connecting: "Connecting", away: "Away", denied: "Key needed" };

export class Panel {
  private readonly sparks: Sparks;

  constructor(private readonly root: Document) {
    this.sparks = new Sparks(root);
  }

  about(about: About): void {
    this.element("title").textContent = about.title;
    this.element("version").textContent = about.server.version;
    this.element("demo").hidden = !about.demo;
    const noun = about.collectibles.charAt(0).toUpperCase() + about.collectibles.slice(1);
    for (const place of this.root.querySelectorAll("[data-noun]")) place.textContent = noun;
    this.element("room-size").textContent = `S2 level ${about.room_level}`;
    this.root.title = `${about.title}: live map`;
  }

  /** The types of collectibles with their colours and worth, in the order of the game's definition. */
  legend(about: About, theme: Theme): void {
    const lines = about.types.map(({ type, value, currency }, i) => {
      const dot = this.root.createElement("span");
      dot.className = "dot";
      dot.style.background = theme.coins[i % theme.coins.length];
      const name = this.root.createElement("span");
      name.textContent = type;
      const worth = this.root.createElement("span");
      worth.className = "worth";
      worth.textContent = `${value} ${currency}`;
      const line = this.root.createElement("li");
      line.append(dot, name, worth);
      return line;
    });
    this.element("types").replaceChildren(...lines);
  }

  /** Lets players be chosen with the keyboard too. */
  offerPlayers(show: () => void): void {
    const button = this.element("show-player");
    button.hidden = false;
    button.addEventListener("click", show);
  }

  state(state: State): void {
    this.element("state").dataset.kind = state;
    this.element("state-text").textContent = STATES[state];
  }

  /** A line over the map; null takes it away. */
  notice(text: string | null): void {
    const notice = this.element("notice");
    notice.hidden = text === null;
    // Set only when it changed: a screen reader says it anew each time.
    if (text !== null && notice.textContent !== text) notice.textContent = text;
  }

  world(world: World, rates: Rates): void {
    const { totals } = world;
    const fixes = rates.perSecond((at) => at.fixes_accepted + at.fixes_refused);
    const collecting = rates.perSecond((at) => at.collected);
    this.figure("fixes", fixes === null ? NOTHING : (fixes < 100 ? fine : whole).format(fixes));
    this.figure("collecting", collecting === null ? NOTHING : fine.format(collecting));
    this.sparks.add("fixes", fixes);
    this.sparks.add("collecting", collecting);
    this.figure("in_view", whole.format(world.in_view));
    this.figure("players", whole.format(totals.players));
    this.figure("sockets", whole.format(totals.sockets));
    this.figure("collected", whole.format(totals.collected));
    const judged = totals.fixes_accepted + totals.fixes_refused;
    this.figure("refused", judged === 0 ? NOTHING : share.format(totals.fixes_refused / judged));
  }

  /** How many collectibles are in view; null while they are not asked for. */
  coins(count: number | null): void {
    this.figure("coins", count === null ? NOTHING : whole.format(count));
  }

  /** How many rooms in view hold players; null while rooms are too small to be told apart. */
  rooms(count: number | null): void {
    this.figure("rooms", count === null ? NOTHING : whole.format(count));
  }

  pointed(text: string): void {
    this.element("room").textContent = text;
  }

  /** Begins the curves anew. */
  restart(): void {
    this.sparks.clear();
  }

  private figure(name: string, text: string): void {
    const output = this.root.querySelector(`[data-figure=${name}]`);
    if (output && output.textContent !== text) output.textContent = text;
  }

  private element(id: string): HTMLElement {
    const element = this.root.getElementById(id);
    if (!element) throw new Error(`the page has no #${id}`);
    return element;
  }
}
