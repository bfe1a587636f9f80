/** Light, dark, or as the system says; remembered by this browser. */

const STORED_AS = "parley.theme";
const ORDER = ["auto", "light", "dark"] as const;

export type Theme = (typeof ORDER)[number];

export function themeNow(): Theme {
  const set = document.documentElement.dataset["theme"];
  return set === "light" || set === "dark" ? set : "auto";
}

export function restoreTheme(): void {
  try {
    apply(localStorage.getItem(STORED_AS));
  } catch {
    // No storage, no memory: the system decides.
  }
}

export function nextTheme(): void {
  const next = ORDER[(ORDER.indexOf(themeNow()) + 1) % ORDER.length] ?? "auto";
  apply(next);
  try {
    localStorage.setItem(STORED_AS, next);
  } catch {
    // It holds for this page.
  }
}

function apply(theme: string | null): void {
  if (theme === "light" || theme === "dark") document.documentElement.dataset["theme"] = theme;
  else delete document.documentElement.dataset["theme"];
}
