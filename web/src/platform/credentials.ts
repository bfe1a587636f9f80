/**
 * Where the key of a page comes from and lives.
 *
 * A key arrives in the fragment (`#key=pk_…`), which browsers never send to a server, and is taken out of
 * the address bar at once, so that neither history nor a screenshot keeps it. It stays for this tab only.
 */

const STORED_AS = "parley.key";

/** Frames of other sites may have no storage; the key then lives as long as the page. */
let remembered: string | null = null;

export function takeKeyFromAddress(): string | null {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const key = fragment.get("key")?.trim();
  if (!key) return null;
  fragment.delete("key");
  const rest = fragment.toString();
  history.replaceState(history.state, "", location.pathname + location.search + (rest ? `#${rest}` : ""));
  keepKey(key);
  return key;
}

export function keepKey(key: string): void {
  remembered = key;
  try {
    sessionStorage.setItem(STORED_AS, key);
  } catch {
    // Storage is closed to us; `remembered` serves.
  }
}

export function keptKey(): string | null {
  if (remembered !== null) return remembered;
  try {
    return sessionStorage.getItem(STORED_AS);
  } catch {
    return null;
  }
}

export function forgetKey(): void {
  remembered = null;
  try {
    sessionStorage.removeItem(STORED_AS);
  } catch {
    // Nothing was stored either.
  }
}
