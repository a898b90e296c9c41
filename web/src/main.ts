/** Starts the page: access first, then the map, then what lives on it. */

import "./style.css";

import { askForKey, takeKeyFromAddress } from "./access.ts";
import { type About, Api, Refused } from "./api.ts";
import { loadBasemap } from "./basemap.ts";
import { Live } from "./live.ts";
import { WorldMap } from "./map.ts";
import { Panel } from "./panel.ts";
import { Poll } from "./poll.ts";
import { themeOf } from "./theme.ts";

declare global {
  interface Window {
    /** Reading it gives what the map shows at that moment; browser tests do. */
    overworld?: Live["seen"];
  }
}

const ABOUT_RETRY_MS = 500;

async function start(): Promise<void> {
  const api = new Api();
  const panel = new Panel(document);
  takeKeyFromAddress(api);
  const placed = location.hash.length > 1;
  const [about, basemap] = await Promise.all([knock(api, panel), loadBasemap()]);
  const theme = themeOf(document.documentElement);
  panel.about(about);
  panel.legend(about, theme);
  const map = new WorldMap(element("map"), basemap, theme, about.types.map(({ type }) => type));
  await map.ready();
  // Without access any more the page begins anew, and asks.
  const live = new Live(api, about, map, panel, theme, placed, () => location.reload());
  Object.defineProperty(window, "overworld", { get: () => live.seen });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => live.paint(themeOf(document.documentElement)));
  live.start();
}

/** Waits for the server, and for a key when it wants one. */
function knock(api: Api, panel: Panel): Promise<About> {
  return new Promise((resolve) => {
    const poll = new Poll(
      ABOUT_RETRY_MS,
      async () => {
        try {
          resolve(await api.about());
          poll.stop();
          return "answered";
        } catch (error) {
          if (!(error instanceof Refused && error.isDenied)) throw error;
          return "denied";
        }
      },
      ({ kind }) => {
        panel.state(kind === "live" ? "connecting" : kind === "denied" ? "denied" : "away");
        panel.notice(kind === "away" ? "The server is away. Trying again." : null);
        if (kind === "denied") void askForKey(api, element("access") as HTMLFormElement).then(resolve);
      },
    );
    poll.start();
  });
}

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

void start();
