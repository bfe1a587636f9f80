/** `/embed.js`: a button for each script with a key, and `window.Parley`. */

import { call, type CallOptions, type ParleyCall } from "./client";
import { ParleyError } from "./problems";
import { type ButtonOptions, ParleyButton } from "./widget";

export interface ParleyApi {
  call(options: CallOptions): ParleyCall;
  button(options: ButtonOptions): ParleyButton;
  readonly ParleyError: typeof ParleyError;
}

declare global {
  interface Window {
    Parley?: ParleyApi;
  }
}

const script = document.currentScript instanceof HTMLScriptElement ? document.currentScript : null;
const server = new URL(script?.src || location.href).origin;

window.Parley ??= {
  call: (options) => call(options, server),
  button: (options) => new ParleyButton(options, new URL(options.server ?? server).origin),
  ParleyError,
};

const key = script?.dataset.key ?? script?.dataset.agent;
if (script !== null && key !== undefined) {
  const place = (): void => {
    const { mode, position, theme, accent, label } = script.dataset;
    const made = new ParleyButton({ key, ...chosen({ mode, position, theme, accent, label }) }, server);
    if (position === "inline") script.after(made.element);
  };
  if (document.body !== null) place();
  else document.addEventListener("DOMContentLoaded", place, { once: true });
}

/** What an attribute may say; anything else is as good as left out. */
function chosen(given: Record<string, string | undefined>): Partial<ButtonOptions> {
  const known: Record<string, readonly string[]> = {
    mode: ["voice", "text", "both"],
    position: ["bottom-right", "bottom-left", "inline"],
    theme: ["auto", "light", "dark"],
  };
  return Object.fromEntries(
    Object.entries(given).filter(([name, value]) => value !== undefined && value !== "" && (known[name]?.includes(value) ?? true)),
  );
}
