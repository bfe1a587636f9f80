/** What a new project does first, and what of it is done. */

import { linkButton } from "../console/empty";
import { element } from "../dom/element";
import { icon, type IconName } from "../dom/icons";
import { hasAny } from "../platform/figures";

interface Step {
  readonly icon: IconName;
  readonly title: string;
  readonly words: string;
  readonly act: string;
  readonly href: string;
  /** A list that has something in it once this is done. */
  readonly done?: readonly [path: string, name: string];
}

const STEPS: readonly Step[] = [
  {
    icon: "agent",
    title: "Make an agent",
    words: "Give it a name, tell it who it is and what it should do, choose its voice.",
    act: "Make an agent",
    href: "/console/agents",
    done: ["/agents", "agents"],
  },
  {
    icon: "microphone",
    title: "Talk to it",
    words: "Call it from this browser. The conversation is here a moment later, with all that was said and how long it took.",
    act: "Call it",
    href: "/talk",
    done: ["/sessions?per_page=1", "sessions"],
  },
  {
    icon: "phone",
    title: "Give it a number",
    words: "Add your carrier's trunk and say which agent answers.",
    act: "Add a number",
    href: "/console/phone?tab=numbers",
    done: ["/sip/configs", "configs"],
  },
  {
    icon: "code",
    title: "Put a button on your site",
    words: "One line of HTML puts a call button on any page.",
    act: "Get the code",
    href: "/console/embed",
    done: ["/embed-keys", "embed_keys"],
  },
];

/** The steps; what could not be asked counts as not done. */
export async function firstSteps(signal: AbortSignal): Promise<HTMLElement> {
  const asked = STEPS.map(async ({ done }) => (done === undefined ? false : hasAny(...done, signal).catch(() => false)));
  const isDone = await Promise.all(asked);
  const next = isDone.indexOf(false);
  return element(
    "section",
    { class: "panel steps", "aria-labelledby": "steps-title" },
    element("h2", { id: "steps-title" }, "Nothing has been said here yet"),
    element("p", { class: "section__hint" }, "Four steps to an agent that answers. Each can be done in a minute or two."),
    element(
      "ol",
      { class: "steps__all" },
      ...STEPS.map(({ icon: symbol, title, words, act, href }, number) =>
        element(
          "li",
          { class: "step", ...(isDone[number] === true ? { "data-state": "done" } : {}) },
          element("span", { class: "step__symbol" }, icon(isDone[number] === true ? "check" : symbol, 22)),
          element("h3", { class: "step__title" }, title, isDone[number] === true ? element("span", { class: "visually-hidden" }, " (done)") : null),
          element("p", { class: "step__words" }, words),
          linkButton(act, href, number === next ? "action" : "plain"),
        ),
      ),
    ),
  );
}
