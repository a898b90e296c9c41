/** The card of one player. It writes text and bars; the page's structure stands in index.html. */

import type { Whom } from "./follow.ts";
import {
  closes,
  grouped,
  levelProgress,
  objectiveName,
  objectiveProgress,
  type Person,
  place,
  type Progress,
  type Quest,
  soonestFirst,
  type Standing,
  toolLeft,
} from "./person.ts";

export class Card {
  private whom: Whom | null = null;

  constructor(
    private readonly root: Document,
    close: () => void,
  ) {
    this.element("card-close").addEventListener("click", close);
    this.element("card").addEventListener("keydown", ({ key }) => {
      if (key === "Escape" && typeof this.whom === "number") close();
    });
    const more = this.element("card-more") as HTMLDetailsElement;
    more.open = !matchMedia("(max-width: 48rem)").matches;
  }

  /** Shows what is known of a player. It stays as it was while nothing is known of the next one. */
  tell(whom: Whom | null, person: Person | null): void {
    this.whom = whom;
    if (person === null) {
      if (whom === null) this.element("card").hidden = true;
      return;
    }
    this.element("card").hidden = false;
    this.element("card-close").hidden = whom === "me";
    this.text("card-whom", whom === "me" ? "Me" : "Player");
    this.text("card-name", person.name);
    this.text("card-level", `Level ${person.level}`);
    const level = levelProgress(person);
    this.text("card-experience", level.text);
    (this.element("card-bar") as HTMLProgressElement).value = level.part;
    this.balances(person);
    this.tool(person);
    this.inventory(person);
    this.quests(person);
    this.element("card-standings").replaceChildren(...person.standings.map((standing) => this.standing(standing)));
  }

  private balances({ balances }: Person): void {
    const lines = balances.map(({ currency, amount }) => this.line("li", ["b", grouped(amount)], ["span", ` ${currency}`]));
    this.element("card-balances").replaceChildren(...lines);
  }

  private tool({ tool }: Person): void {
    this.element("card-tool").hidden = tool === null;
    if (tool === null) return;
    const left = toolLeft(tool);
    const name = this.line("p", ["span", tool.title], ["span", `level ${tool.level}, ×${tool.efficiency}`]);
    const bar = left === null ? [] : [this.bar("Tool left", left)];
    this.element("card-tool-line").replaceChildren(name, ...bar);
  }

  private inventory({ items }: Person): void {
    const lines = items.map(({ title, count }) => this.line("li", ["span", title], ["b", `${count}`]));
    this.element("card-items").replaceChildren(...(lines.length ? lines : [this.line("li", ["span", "Nothing yet"])]));
  }

  private quests({ quests }: Person): void {
    const lines = soonestFirst(quests).map((quest) => this.quest(quest));
    this.element("card-quests").replaceChildren(...(lines.length ? lines : [this.line("li", ["span", "None in hand"])]));
  }

  private quest(quest: Quest): HTMLElement {
    const line = this.root.createElement("li");
    line.append(this.line("p", ["span", quest.title], ["small", closes(quest)]));
    for (const objective of quest.objectives) {
      const name = objectiveName(objective, quest);
      line.append(this.bar(name || quest.title, objectiveProgress(objective), name));
    }
    return line;
  }

  private standing(standing: Standing): HTMLElement {
    const box = this.root.createElement("div");
    const heading = this.root.createElement("h3");
    heading.append(this.line("span", ["span", standing.board], ["span", place(standing)]));
    const list = this.root.createElement("ol");
    for (const { rank, name, score, is_player } of standing.around) {
      const line = this.line("li", ["span", `${rank}`], ["span", name || "somebody"], ["b", grouped(score)]);
      if (is_player) line.setAttribute("aria-current", "true");
      list.append(line);
    }
    box.append(heading, list);
    return box;
  }

  /** In one line: what it is of, a bar, and how far it is. */
  private bar(label: string, { part, text }: Progress, shown = ""): HTMLElement {
    const bar = this.root.createElement("progress");
    bar.value = part;
    bar.setAttribute("aria-label", label);
    const line = this.line("p", ...(shown ? [["small", shown] as [string, string]] : []), ["small", text]);
    line.className = "bar";
    line.insertBefore(bar, line.lastChild);
    return line;
  }

  private line(tag: string, ...parts: [tag: string, text: string][]): HTMLElement {
    const line = this.root.createElement(tag);
    for (const [name, text] of parts) {
      const part = this.root.createElement(name);
      part.textContent = text;
      line.append(part);
    }
    return line;
  }

  private text(id: string, text: string): void {
    const element = this.element(id);
    if (element.textContent !== text) element.textContent = text;
  }

  private element(id: string): HTMLElement {
    const element = this.root.getElementById(id);
    if (!element) throw new Error(`the page has no #${id}`);
    return element;
  }
}
