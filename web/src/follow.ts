/** Asks for one player as long as the page shows them: whoever signed in, or whom somebody chose on the map. */

import { type Api, Refused } from "./api.ts";
import type { Person } from "./person.ts";
import { type Answered, Poll } from "./poll.ts";

const POLL_MS = 1_000;
const UNAUTHENTICATED = 401;

/** Of whom the card tells: `me` is whoever signed in, a number is a player on the map. */
export type Whom = "me" | number;

export class Follow {
  private readonly poll: Poll;
  private whom: Whom | null;
  private mine: boolean;
  private tag: string | null = null;
  private person: Person | null = null;

  /** `tell` hears of every change; null when nobody is shown. `voided` is told when our token is not taken. */
  constructor(
    private readonly api: Api,
    private readonly tell: (whom: Whom | null, person: Person | null) => void,
    private readonly voided: () => void,
  ) {
    this.mine = api.hasToken;
    this.whom = this.mine ? "me" : null;
    this.poll = new Poll(POLL_MS, () => this.ask(), () => {});
  }

  /** The one on the map that is shown; null when that is nobody, or not known. */
  get id(): number | null {
    return typeof this.whom === "number" ? this.whom : (this.person?.id ?? null);
  }

  /** Goes on asking, if there is somebody to ask for. */
  start(): void {
    if (this.whom !== null) this.poll.start();
  }

  stop(): void {
    this.poll.stop();
  }

  show(id: number): void {
    this.turn(id);
  }

  /** Back to whoever signed in, or to nobody. */
  close(): void {
    this.turn(this.mine ? "me" : null);
  }

  private turn(whom: Whom | null): void {
    this.poll.stop();
    this.whom = whom;
    this.tag = this.person = null;
    if (whom !== "me") this.tell(whom, null);
    this.start();
  }

  private async ask(): Promise<Answered> {
    const { whom } = this;
    if (whom === null) return "denied";
    try {
      const answer = await this.api.person(whom, this.tag);
      // Meanwhile somebody else may have been chosen.
      if (whom !== this.whom) return "answered";
      if (answer !== null) {
        ({ tag: this.tag, person: this.person } = answer);
        this.tell(whom, this.person);
      }
      return "answered";
    } catch (error) {
      if (!(error instanceof Refused) || !(error.isDenied || error.status === 404)) throw error;
      if (whom !== this.whom) return "answered";
      if (whom === "me") this.mine = false;
      this.close();
      if (whom === "me" && error.status === UNAUTHENTICATED) this.voided();
      return this.whom === null ? "denied" : "answered";
    }
  }
}
