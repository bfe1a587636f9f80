/** The pages of the console by their paths. Each is loaded when it is first opened. */

import type { IconName } from "../dom/icons";
import type { Open } from "../console/view";

export interface Route {
  /** `:name` stands for one part of the path. */
  readonly path: string;
  readonly load: () => Promise<{ open: Open }>;
}

export interface Link {
  readonly path: string;
  readonly words: string;
  readonly icon: IconName;
}

export const routes: readonly Route[] = [
  { path: "/console", load: () => import("../overview/page") },
  { path: "/console/live", load: () => import("../live/page") },
  { path: "/console/live/:room", load: () => import("../live/page") },
  { path: "/console/usage", load: () => import("../usage/page") },
  { path: "/console/audit", load: () => import("../audit/page") },
  { path: "/console/privacy", load: () => import("../privacy/page") },
  { path: "/console/privacy/erasures/:id", load: () => import("../privacy/erasure_page") },
  { path: "/console/sessions", load: () => import("../sessions/list_page") },
  { path: "/console/sessions/:id", load: () => import("../replay/page") },
  { path: "/console/bots", load: () => import("../bots/page") },
  { path: "/console/bots/:uuid", load: () => import("../bots/page") },
  { path: "/console/calendars", load: () => import("../bots/calendars_page") },
  { path: "/console/meetings", load: () => import("../meetings/page") },
  { path: "/console/recordings", load: () => import("../recordings/page") },
  { path: "/console/agents", load: () => import("../agents/list_page") },
  { path: "/console/agents/:id", load: () => import("../agents/agent_page") },
  { path: "/console/knowledge", load: () => import("../knowledge/list_page") },
  { path: "/console/knowledge/:id", load: () => import("../knowledge/base_page") },
  { path: "/console/phone", load: () => import("../phone/page") },
  { path: "/console/embed", load: () => import("../embeds/page") },
  { path: "/console/webhooks", load: () => import("../webhooks/list_page") },
  { path: "/console/webhooks/:id", load: () => import("../webhooks/endpoint_page") },
  { path: "/console/webhooks/:id/deliveries/:delivery", load: () => import("../webhooks/delivery_page") },
  { path: "/console/keys", load: () => import("../keys/page") },
  { path: "/console/settings", load: () => import("../settings/page") },
];

/** What the menu shows, in its groups. */
export const menu: readonly { readonly title: string; readonly links: readonly Link[] }[] = [
  {
    title: "Now",
    links: [
      { path: "/console", words: "Overview", icon: "home" },
      { path: "/console/live", words: "Live", icon: "voices" },
      { path: "/console/sessions", words: "Sessions", icon: "lines" },
    ],
  },
  {
    title: "Build",
    links: [
      { path: "/console/agents", words: "Agents", icon: "agent" },
      { path: "/console/knowledge", words: "Knowledge", icon: "book" },
    ],
  },
  {
    title: "Channels",
    links: [
      { path: "/console/phone", words: "Phone", icon: "phone" },
      { path: "/console/embed", words: "Websites", icon: "screen" },
      { path: "/console/meetings", words: "Meetings", icon: "people" },
      { path: "/console/bots", words: "Bots", icon: "record" },
      { path: "/console/calendars", words: "Calendars", icon: "calendar" },
      { path: "/console/recordings", words: "Recordings", icon: "sound" },
    ],
  },
  {
    title: "Operate",
    links: [
      { path: "/console/usage", words: "Usage and cost", icon: "chart" },
      { path: "/console/webhooks", words: "Webhooks", icon: "send" },
      { path: "/console/keys", words: "API keys", icon: "key" },
      { path: "/console/audit", words: "Audit log", icon: "list" },
      { path: "/console/privacy", words: "Privacy", icon: "shield" },
      { path: "/console/settings", words: "Settings", icon: "sliders" },
    ],
  },
];

/** The route of a path, and what its parts say; null where there is none. */
export function find(path: string, among: readonly Route[] = routes): { route: Route; params: Record<string, string> } | null {
  const parts = split(path);
  for (const route of among) {
    const wanted = split(route.path);
    if (wanted.length !== parts.length) continue;
    const params: Record<string, string> = {};
    const fits = wanted.every((part, number) => {
      const given = parts[number] ?? "";
      if (!part.startsWith(":")) return part === given;
      params[part.slice(1)] = given;
      return given !== "";
    });
    if (fits) return { route, params };
  }
  return null;
}

/** The link of the menu that a path belongs to: the longest that it begins with. */
export function linkOf(path: string): string | null {
  const paths = menu.flatMap(({ links }) => links.map((link) => link.path));
  const fits = paths.filter((link) => path === link || (link !== "/console" && path.startsWith(`${link}/`)));
  return fits.sort((a, b) => b.length - a.length)[0] ?? null;
}

function split(path: string): string[] {
  return path
    .replace(/\/+$/, "")
    .split("/")
    .map((part) => {
      try {
        return decodeURIComponent(part);
      } catch {
        return part;
      }
    });
}
