/** The developer key or access token: from the address once, or from whoever is asked for it. */

import { type About, type Api, Refused } from "./api.ts";

/** Takes `#key=...` out of the address bar, where it could be seen, kept or copied. */
export function takeKeyFromAddress(api: Api): void {
  const words = new URLSearchParams(location.hash.slice(1));
  const key = words.get("key");
  if (key === null) return;
  api.useKey(key);
  history.replaceState(history.state, "", location.pathname + location.search);
}

/** Shows the form and keeps it until a key opens the server. */
export function askForKey(api: Api, form: HTMLFormElement): Promise<About> {
  const input = form.elements.namedItem("key") as HTMLInputElement;
  const wrong = form.querySelector("[role=alert]") as HTMLElement;
  wrong.textContent = api.hasKey ? "What was used before no longer opens this server." : "";
  api.forgetKey();
  form.hidden = false;
  input.focus();
  return new Promise((resolve) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      api.useKey(input.value.trim());
      try {
        const about = await api.about();
        form.hidden = true;
        form.onsubmit = null;
        input.value = "";
        resolve(about);
      } catch (error) {
        api.forgetKey();
        const isDenied = error instanceof Refused && error.isDenied;
        wrong.textContent = isDenied ? "That does not open this server." : "The server did not answer. Try again.";
        input.select();
      }
    };
  });
}
