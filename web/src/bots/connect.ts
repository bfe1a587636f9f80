/** The dialogs that connect a calendar, and give one another access. */

import { openDialog } from "../console/dialog";
import { type Field, field, select } from "../console/fields";
import { Refused } from "../console/problem";
import { element } from "../dom/element";
import { type Access, type Calendar, connectCalendar, type Keeper, type Offered, offeredCalendars, reopenCalendar } from "../platform/calendars";

interface Asked {
  readonly name: string;
  readonly label: string;
  readonly type?: "password" | "url";
  readonly hint?: string;
}

const OAUTH: readonly Asked[] = [
  { name: "oauth_client_id", label: "Client id" },
  { name: "oauth_client_secret", label: "Client secret", type: "password" },
  { name: "oauth_refresh_token", label: "Refresh token of the calendar's owner", type: "password" },
];

/** Who keeps calendars, and what each asks for. */
const KEEPERS: readonly { readonly id: Keeper; readonly words: string; readonly hint: string; readonly asks: readonly Asked[] }[] = [
  {
    id: "ICS",
    words: "An address of a feed (ICS)",
    hint: "Most calendars have a secret address that ends in .ics, under “share” or “publish”. Whoever has it reads along, so it is kept like a password.",
    asks: [{ name: "url", label: "Address", type: "url" }],
  },
  {
    id: "CalDAV",
    words: "CalDAV: Nextcloud, Radicale, Fastmail, iCloud …",
    hint: "The address of the server, of the account or of one calendar. Where the account has two-factor log-in, use a password for apps.",
    asks: [
      { name: "url", label: "Address", type: "url" },
      { name: "username", label: "User" },
      { name: "password", label: "Password", type: "password" },
    ],
  },
  { id: "Google", words: "Google", hint: "By an OAuth client of your own, with the scope calendar.readonly.", asks: OAUTH },
  { id: "Microsoft", words: "Microsoft 365", hint: "By an app of your own, with the scopes Calendars.Read and offline_access.", asks: OAUTH },
];

/** Asks for an access and connects one of the calendars that it opens. Whether one was connected. */
export async function openConnect(): Promise<boolean> {
  let [access, offered]: [Access | null, Offered[]] = [null, []];
  const isOpen = await openAccess("Connect a calendar", "Connect", null, async (given) => {
    access = given;
    offered = await offeredCalendars(given);
    if (offered.length === 0) throw new Refused("This opens no calendar.");
    if (offered.length === 1) await connectCalendar(given, offered[0]?.id ?? null);
  });
  if (!isOpen || access === null) return false;
  return offered.length === 1 || openChoice(access, offered);
}

/** Asks for another access to a calendar. Whether it was given. */
export function openReopen(calendar: Calendar): Promise<boolean> {
  return openAccess(`Access to ${calendar.name}`, "Save", calendar.keeper, (access) => reopenCalendar(calendar.uuid, access));
}

function openAccess(title: string, act: string, keeper: Keeper | null, submit: (access: Access) => Promise<void>): Promise<boolean> {
  const kind = select({ id: "calendar-kind", label: "Who keeps it", choices: KEEPERS.map(({ id, words }) => [id, words] as const), value: keeper ?? "ICS" });
  const hint = element("p", { class: "section__hint" });
  const place = element("div", { class: "stack" });
  let fields: Field<HTMLInputElement>[] = [];
  const show = (): void => {
    const chosen = KEEPERS.find(({ id }) => id === kind.input.value) ?? KEEPERS[0]!;
    hint.textContent = chosen.hint;
    fields = chosen.asks.map(({ name, label, type }) =>
      // An address is checked by the server: it takes webcal:// and says what it misses.
      field({ id: `calendar-${name}`, label, type: type === "password" ? "password" : "text", attributes: { required: true, name, autocomplete: "off", spellcheck: "false" } }),
    );
    place.replaceChildren(...fields.map(({ root }) => root));
  };
  kind.input.addEventListener("change", show);
  show();
  return openDialog({
    title,
    body: [
      ...(keeper === null ? [kind.root] : []),
      hint,
      place,
      ...(keeper === null ? [] : [element("p", { class: "section__hint" }, "Bots that were to go to its events are called off: send them again once it is read.")]),
    ],
    act,
    submit: () => {
      const given = Object.fromEntries(fields.map(({ input }) => [input.name, input.type === "password" ? input.value : input.value.trim()]));
      return submit({ ...given, platform: kind.input.value as Keeper });
    },
  });
}

function openChoice(access: Access, offered: readonly Offered[]): Promise<boolean> {
  const primary = offered.find(({ isPrimary }) => isPrimary);
  const which = select({ id: "calendar-which", label: "Calendar", choices: offered.map(({ id, name }) => [id, name || id] as const), ...(primary === undefined ? {} : { value: primary.id }) });
  return openDialog({
    title: "Which calendar?",
    body: [which.root],
    act: "Connect",
    submit: () => connectCalendar(access, which.input.value),
  });
}
