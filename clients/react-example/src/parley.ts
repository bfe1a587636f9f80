/** What `embed.js` of a Parley server puts on `window`, as far as this example uses it. All of it: docs/embed.md. */

export interface ParleyButtonHandle {
  readonly element: HTMLElement;
  open(): void;
  remove(): void;
}

export interface ButtonOptions {
  key: string;
  target?: Element;
  position?: "bottom-right" | "bottom-left" | "inline";
  mode?: "voice" | "text" | "both";
  theme?: "auto" | "light" | "dark";
  accent?: string;
  label?: string;
  variables?: Record<string, string | number | boolean>;
}

interface ParleyApi {
  button(options: ButtonOptions): ParleyButtonHandle;
}

declare global {
  interface Window {
    Parley?: ParleyApi;
  }
}

const loading = new Map<string, Promise<ParleyApi>>();

/** Loads the script of a server once, however many components ask for it. */
export function loadParley(server: string): Promise<ParleyApi> {
  const known = loading.get(server);
  if (known !== undefined) return known;
  const made = new Promise<ParleyApi>((resolve, reject) => {
    const script = document.createElement("script");
    script.src = `${server}/embed.js`;
    script.async = true;
    script.onload = () => (window.Parley ? resolve(window.Parley) : reject(new Error("embed.js did not start")));
    script.onerror = () => {
      loading.delete(server);
      reject(new Error(`${server}/embed.js did not load`));
    };
    document.head.append(script);
  });
  loading.set(server, made);
  return made;
}
