/** Where pages of former addresses are. */

const SECTIONS: Record<string, string> = {
  keys: "/console/keys",
  webhooks: "/console/webhooks",
  password: "/console/settings?tab=password",
  support: "/console/settings?tab=support",
  transactions: "/console/usage#transactions",
  meetings: "/console/meetings?tab=held",
};

/** What the page `/account` was is at several addresses of the console; null for every other path. */
export function movedTo(path: string, hash: string): string | null {
  if (path.replace(/\/+$/, "") !== "/account") return null;
  return SECTIONS[hash.slice(1)] ?? `/console/settings${hash}`;
}
