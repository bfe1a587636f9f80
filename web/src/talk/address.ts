/** What the page's address asks for. */

export interface Wishes {
  readonly embedded: boolean;
  readonly agent: string | null;
  readonly room: string | null;
  /** What the persona is told about this call, from `var.NAME=VALUE`. */
  readonly variables: Readonly<Record<string, string>>;
  /** Null follows the system. A transparent frame cannot see what lies behind it, so it is light unless told. */
  readonly theme: "light" | "dark" | null;
  /** Whom to tell about the call; null tells nobody. */
  readonly parentOrigin: string | null;
}

const VARIABLE = "var.";
const MOST_VARIABLES = 50;

export function readAddress(search: string, referrer: string): Wishes {
  const query = new URLSearchParams(search);
  const theme = query.get("theme");
  return {
    embedded: query.has("embed"),
    agent: query.get("agent")?.trim() || null,
    room: query.get("room")?.trim() || null,
    variables: variablesOf(query),
    theme: theme === "light" || theme === "dark" ? theme : query.has("embed") && theme !== "auto" ? "light" : null,
    parentOrigin: originOf(query.get("origin")) ?? originOf(referrer),
  };
}

/** Of a name given twice the first counts, as for everything else in the address. */
function variablesOf(query: URLSearchParams): Record<string, string> {
  const variables = new Map<string, string>();
  for (const [parameter, value] of query) {
    if (!parameter.startsWith(VARIABLE)) continue;
    const name = parameter.slice(VARIABLE.length).trim();
    if (name === "" || variables.has(name)) continue;
    if (variables.size === MOST_VARIABLES) break;
    variables.set(name, value);
  }
  return Object.fromEntries(variables);
}

function originOf(address: string | null): string | null {
  if (!address || !URL.canParse(address)) return null;
  const { origin, protocol } = new URL(address);
  return protocol === "https:" || protocol === "http:" ? origin : null;
}
