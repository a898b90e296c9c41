/** Colours, read from the style sheet: it alone decides them, for light and dark. */

export interface Theme {
  readonly sea: string;
  readonly land: string;
  readonly coast: string;
  readonly border: string;
  readonly grid: string;
  readonly room: string;
  readonly player: string;
  readonly ring: string;
  readonly coins: readonly string[];
}

const COIN_COLOURS = 8;

export function themeOf(element: Element): Theme {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    sea: colour("sea"),
    land: colour("land"),
    coast: colour("coast"),
    border: colour("border"),
    grid: colour("grid"),
    room: colour("room"),
    player: colour("player"),
    ring: colour("ring"),
    coins: Array.from({ length: COIN_COLOURS }, (_, i) => colour(`coin-${i + 1}`)),
  };
}
