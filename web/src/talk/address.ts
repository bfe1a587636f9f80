/** What the page's address asks for. */

export interface Wishes {
  readonly embedded: boolean;
  readonly agent: string | null;
  readonly room: string | null;
  /** Null follows the system. A transparent frame cannot see what lies behind it, so it is light unless told. */
  readonly theme: "light" | "dark" | null;
  /** Whom to tell about the call; null tells nobody. */
  readonly parentOrigin: string | null;
}

export function readAddress(search: string, referrer: string): Wishes {
  const query = new URLSearchParams(search);
  const theme = query.get("theme");
  return {
    embedded: query.has("embed"),
    agent: query.get("agent")?.trim() || null,
    room: query.get("room")?.trim() || null,
    theme: theme === "light" || theme === "dark" ? theme : query.has("embed") && theme !== "auto" ? "light" : null,
    parentOrigin: originOf(query.get("origin")) ?? originOf(referrer),
  };
}

function originOf(address: string | null): string | null {
  if (!address || !URL.canParse(address)) return null;
  const { origin, protocol } = new URL(address);
  return protocol === "https:" || protocol === "http:" ? origin : null;
}
