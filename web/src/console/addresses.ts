/** Where somebody may be sent: pages of this server only, whatever an address asks for. */

/** The page that `?next=` names, or `otherwise`. Another server's, or none that can be read, is not followed. */
export function nextPage(search: string, origin: string, otherwise: string): string {
  const wanted = new URLSearchParams(search).get("next");
  if (wanted === null) return otherwise;
  try {
    const page = new URL(wanted, origin);
    // The whole address, not its path: one that begins with two slashes would be another server's.
    return page.origin === origin ? page.href : otherwise;
  } catch {
    return otherwise;
  }
}

const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{2,63}$/;

/** The page of a meeting, from its id or its whole link; null where it is neither. */
export function meetingPage(given: string, origin: string): string | null {
  const text = given.trim();
  if (ID.test(text)) return `/join/${text}`;
  try {
    const link = new URL(text.includes("://") || text.startsWith("/") ? text : `https://${text}`, origin);
    const [, id] = /^\/join\/([^/]+)\/?$/.exec(link.pathname) ?? [];
    if (id === undefined || !ID.test(id)) return null;
    if (link.host !== new URL(origin).host) return null;
    return `/join/${id}${link.search}${link.hash}`;
  } catch {
    return null;
  }
}

/** The page of a meeting for its host. The token is in the fragment, which no server sees. */
export function hostPage(id: string, adminToken: string): string {
  return `/join/${encodeURIComponent(id)}#${new URLSearchParams({ admin: adminToken })}`;
}
