/** Every event of the sockets, from this server's /realtime.json. */

import { Masthead } from "../console/masthead";
import { Problem, wordsFor } from "../console/problem";
import { element } from "../dom/element";
import { send } from "../platform/api";
import { ownAccount } from "../platform/account";

interface Field {
  name: string;
  optional?: boolean;
  what?: string;
}

interface Told {
  event: string;
  fields: Field[];
  what: string;
}

interface Reference {
  socket: { sent: Told[]; heard: Told[] };
  monitor: Told[];
}

const root = document.querySelector<HTMLElement>("#page");
if (root === null) throw new Error("realtime.html has no #page");

const masthead = new Masthead("/docs/realtime");
const problem = new Problem();
const lists = element("div", { class: "events" });
root.append(
  masthead.root,
  element(
    "main",
    { class: "realtime" },
    element("h1", {}, "Events"),
    element(
      "p",
      { class: "realtime__words" },
      "Meetings speak Socket.IO at this host: connect, send ",
      element("code", {}, "join-meeting"),
      ", listen. Everything sent is acknowledged with ",
      element("code", {}, "{ok: true}"),
      " or ",
      element("code", {}, "{ok: false, code, message}"),
      ". The monitor is a plain WebSocket at ",
      element("code", {}, "/ws/monitor"),
      "; subscribe to a channel and read.",
    ),
    problem.root,
    lists,
  ),
);
void start();

async function start(): Promise<void> {
  try {
    const { socket, monitor } = (await send("GET", "/realtime.json", {})) as Reference;
    lists.replaceChildren(
      section("sent", "Socket.IO: what you send", socket.sent),
      section("heard", "Socket.IO: what you hear", socket.heard),
      section("monitor", "Monitor: what /ws/monitor tells", monitor),
    );
  } catch (error) {
    problem.tell(wordsFor(error));
  }
  try {
    masthead.update(await ownAccount());
  } catch {
    masthead.update(null); // the list needs no account
  }
}

function section(id: string, title: string, events: Told[]): HTMLElement {
  return element(
    "section",
    { class: "panel group", id, "aria-labelledby": `${id}-title` },
    element("h2", { id: `${id}-title` }, title),
    element("dl", { class: "group__events" }, ...events.flatMap((event) => row(id, event))),
  );
}

function row(group: string, { event, fields, what }: Told): HTMLElement[] {
  const names = fields.map((field) =>
    element("code", field.what === undefined ? {} : { title: field.what }, field.optional === true ? `${field.name}?` : field.name),
  );
  return [
    element("dt", { id: `${group}-${event}` }, element("a", { href: `#${group}-${event}` }, element("code", {}, event))),
    element("dd", {}, element("p", {}, ...marked(what)), element("p", { class: "group__fields" }, ...names)),
  ];
}

/** Text whose parts between backticks are code. */
function marked(text: string): (Node | string)[] {
  return text.split("`").map((part, number) => (number % 2 === 1 ? element("code", {}, part) : part));
}
