/** Server-sent events out of a body that comes in pieces, cut anywhere. Source: HTML Standard, section 9.2.6. */

export interface Told {
  readonly event: string;
  readonly data: string;
}

const TEXT_MAX = 1_000_000;

export class EventReader {
  private rest = "";

  /** The events that are whole by now. Comments, as heartbeats are, tell nothing. */
  take(text: string): Told[] {
    const parts = (this.rest + text).split("\n\n");
    this.rest = parts.pop() ?? "";
    if (this.rest.length > TEXT_MAX) throw new Error("an event without an end");
    return parts.map(toldIn).filter((told) => told !== null);
  }
}

function toldIn(block: string): Told | null {
  let event = "message";
  const data: string[] = [];
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon === 0) continue;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") event = value;
    if (name === "data") data.push(value);
  }
  return data.length === 0 ? null : { event, data: data.join("\n") };
}
