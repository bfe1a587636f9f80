/** What the address of a meeting's page asks for: which meeting, and what it brings along in its fragment. */

export type Wish =
  | { readonly kind: "meeting"; readonly code: string; readonly token: string | null; readonly admin: string | null }
  | { readonly kind: "scenario"; readonly scenario: string; readonly query: string }
  | { readonly kind: "nothing" };

export type MeetingWish = Extract<Wish, { kind: "meeting" }>;

export function readAddress(path: string, search: string, hash: string): Wish {
  const [, first, second = ""] = path.split("/");
  const name = decoded(second);
  if (name === "") return { kind: "nothing" };
  if (first === "s") return { kind: "scenario", scenario: name, query: search };
  if (first !== "join") return { kind: "nothing" };
  const brought = new URLSearchParams(hash.replace(/^#/, ""));
  return { kind: "meeting", code: name, token: brought.get("token") || null, admin: brought.get("admin") || null };
}

/**
 * Tokens leave the address bar, so that a copied address lets nobody in as somebody else, and stay with the tab, so that
 * it can be loaded again.
 */
export function takeCredentials(wish: Wish): Wish {
  if (wish.kind !== "meeting") return wish;
  const place = `parley.meeting.${wish.code}`;
  if (wish.token !== null || wish.admin !== null) {
    sessionStorage.setItem(place, JSON.stringify({ token: wish.token, admin: wish.admin }));
    history.replaceState(history.state, "", location.pathname + location.search);
    return wish;
  }
  const kept = sessionStorage.getItem(place);
  return kept === null ? wish : { ...wish, ...(JSON.parse(kept) as { token: string | null; admin: string | null }) };
}

/** What a LiveKit token says of its holder; nothing is verified here, servers do that. */
export interface Holder {
  readonly name: string;
  /** Null: everything. */
  readonly sources: readonly string[] | null;
  readonly waits: boolean;
}

export function readToken(token: string): Holder | null {
  try {
    const part = (token.split(".")[1] ?? "").replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(part), (letter) => letter.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as {
      name?: string;
      sub?: string;
      video?: { room?: string; canPublish?: boolean; canPublishSources?: string[] };
    };
    const video = claims.video ?? {};
    const sources = video.canPublish === false ? [] : (video.canPublishSources ?? null);
    return { name: claims.name ?? claims.sub ?? "", sources, waits: (video.room ?? "").startsWith("waiting.") };
  } catch {
    return null;
  }
}

export type Sources = Readonly<Record<"microphone" | "camera" | "screen_share", boolean>>;

/** What the meeting, and the token if there is one, let somebody show. A token that waits says nothing of it. */
export function sourcesOf(controls: Readonly<Record<string, unknown>>, holder: Holder | null): Sources {
  const may = holder === null || holder.waits ? null : holder.sources;
  const allowed = (control: string, source: string): boolean => controls[control] !== false && (may?.includes(source) ?? true);
  return {
    microphone: allowed("enable_audio", "microphone"),
    camera: allowed("enable_video", "camera"),
    screen_share: allowed("enable_screen_sharing", "screen_share"),
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
