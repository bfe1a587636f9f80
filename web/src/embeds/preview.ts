/** The button as visitors see it, drawn by the script that they load. It places no calls here. */

import type { ParleyApi } from "../embed/script";
import type { ButtonOptions } from "../embed/widget";

let loading: Promise<ParleyApi> | null = null;

function script(): Promise<ParleyApi> {
  loading ??= new Promise((resolve, reject) => {
    const tag = document.createElement("script");
    tag.src = "/embed.js";
    tag.addEventListener("load", () => (window.Parley === undefined ? reject(new Error("no button")) : resolve(window.Parley)));
    tag.addEventListener("error", () => {
      loading = null;
      tag.remove();
      reject(new Error("The button's script did not load"));
    });
    document.head.append(tag);
  });
  return loading;
}

/** Shows a button in `target` until `signal` ends it. */
export async function preview(target: Element, options: ButtonOptions, signal: AbortSignal): Promise<void> {
  const { button } = await script();
  if (signal.aborted) return;
  const shown = button({ ...options, target, position: "inline" });
  signal.addEventListener("abort", () => shown.remove(), { once: true });
}
