/** One player, as the server tells of them, and in the words of the card. */

export interface Objective {
  readonly kind: string;
  readonly text: string;
  readonly progress: number;
  readonly goal: number;
  readonly currency: string | null;
}

export interface Quest {
  readonly id: string;
  readonly title: string;
  readonly met: boolean;
  readonly objectives: readonly Objective[];
  readonly closes_at: string | null;
}

export interface Rival {
  readonly rank: number;
  readonly name: string;
  readonly score: string;
  readonly is_player: boolean;
}

export interface Standing {
  readonly board: string;
  readonly counts: string;
  readonly rank: number | null;
  readonly players: number;
  readonly around: readonly Rival[];
}

export interface Tool {
  readonly title: string;
  readonly level: number;
  readonly efficiency: string;
  readonly wear: number;
  readonly durability: number;
}

export interface Person {
  readonly id: number | null;
  readonly name: string;
  readonly level: number;
  readonly experience: number;
  readonly level_from: number;
  readonly level_to: number | null;
  readonly balances: readonly { readonly currency: string; readonly amount: string }[];
  readonly items: readonly { readonly id: string; readonly title: string; readonly count: number }[];
  readonly tool: Tool | null;
  readonly quests: readonly Quest[];
  readonly standings: readonly Standing[];
}

/** How much of something is done: a part from 0 to 1, and the words for it. */
export interface Progress {
  readonly part: number;
  readonly text: string;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const closing = new Intl.DateTimeFormat("en", { weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });

/** How far they are on the way to the next level; the last level is whole. */
export function levelProgress({ experience, level_from, level_to }: Person): Progress {
  if (level_to === null) return { part: 1, text: `${whole.format(experience)} experience` };
  return {
    part: bounded((experience - level_from) / (level_to - level_from)),
    text: `${whole.format(experience)} of ${whole.format(level_to)} experience`,
  };
}

/** How much of a tool is left; null for one that never wears. */
export function toolLeft({ wear, durability }: Tool): Progress | null {
  if (durability === 0) return null;
  const left = Math.max(durability - wear, 0);
  return { part: left / durability, text: left === 0 ? "worn out" : `${whole.format(left)} of ${whole.format(durability)} left` };
}

/** How far an objective is. */
export function objectiveProgress({ kind, progress, goal, currency }: Objective): Progress {
  const unit = kind === "walk" ? " m" : "";
  const of = currency === null ? [whole.format(Math.min(progress, goal)), whole.format(goal)] : null;
  const part = bounded(progress / goal);
  return { part, text: of === null ? `${Math.floor(part * 100)}%` : `${of[0]} of ${of[1]}${unit}` };
}

/** What an objective is called: in the game's words, else what is done, unless that is clear from the quest alone. */
export function objectiveName({ text, kind }: Objective, quest: Quest): string {
  return text || (quest.objectives.length > 1 ? kind.charAt(0).toUpperCase() + kind.slice(1) : "");
}

/** When a quest ends, in the time of whoever looks. */
export function closes(quest: Quest): string {
  if (quest.met) return "done, to be completed";
  return quest.closes_at === null ? "" : `until ${closing.format(new Date(quest.closes_at))}`;
}

/** What ends first stands first; what never ends, last. */
export function soonestFirst(quests: readonly Quest[]): Quest[] {
  const end = ({ closes_at }: Quest) => (closes_at === null ? Infinity : Date.parse(closes_at));
  return Array.from(quests).sort((one, other) => (end(one) === end(other) ? 0 : end(one) - end(other)));
}

/** The place among how many. */
export function place({ rank, players }: Standing): string {
  return rank === null ? "no place yet" : `${whole.format(rank)} of ${whole.format(players)}`;
}

/** An amount with separators; it may have more digits than a number holds. */
export function grouped(amount: string): string {
  const [units, fraction] = amount.split(".");
  const spaced = units.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? spaced : `${spaced}.${fraction}`;
}

function bounded(part: number): number {
  return Math.min(Math.max(part, 0), 1);
}
