/** The side that explains: what will happen, what went wrong, the key form, and the words of the call. */

import { element, setText } from "../dom/element";
import { icon, type IconName } from "../dom/icons";
import { KeyForm } from "../dom/key_form";
import type { Problem } from "./problems";
import type { TalkState } from "./state";
import { TranscriptView } from "./transcript_view";

export interface PanelActions {
  /** Where whoever logs in comes back to; null where they cannot. */
  login: string | null;
  enterKey(key: string): void;
  copyTranscript(): Promise<void>;
  allowSound(): void;
}

type Face = "guide" | "key" | "problem" | "transcript";

const titles: Record<Face, string> = {
  guide: "How it works",
  key: "Your key",
  problem: "What happened",
  transcript: "Transcript",
};

export class Panel {
  readonly root: HTMLElement;
  readonly transcript = new TranscriptView();

  private readonly title = element("h2", { class: "side__title" });
  private readonly copy: HTMLButtonElement;
  private readonly notice = element("div", { class: "side__notice" });
  private readonly guide = element("ol", { class: "guide" });
  private readonly form: KeyForm;
  private noticed = "";

  constructor(private readonly actions: PanelActions) {
    this.copy = element("button", { class: "button button--quiet", type: "button", hidden: true });
    this.copy.addEventListener("click", () => void this.copyWords());
    this.form = new KeyForm((key) => actions.enterKey(key), actions.login);
    this.root = element(
      "section",
      { class: "side panel", "aria-label": "Conversation" },
      element("header", { class: "side__head" }, this.title, this.copy),
      this.notice,
      this.guide,
      this.form.root,
      this.transcript.root,
    );
    this.labelCopy("copy", "Copy");
  }

  update(state: TalkState, persona: string | null, hasWords: boolean): void {
    const face = faceOf(state, hasWords);
    this.root.dataset["face"] = face;
    setText(this.title, titles[face]);
    this.guide.hidden = face !== "guide";
    this.form.root.hidden = face !== "key";
    this.transcript.root.hidden = face !== "transcript";
    this.copy.hidden = face !== "transcript" || !hasWords || state.phase === "call" || state.phase === "connecting";
    if (face === "guide") this.explain(state, persona ?? "The persona");
    if (state.phase === "key") this.form.update({ checking: state.checking, refused: state.problem !== null });
    this.notify(noticeOf(state, persona ?? "The persona"), state.phase === "call");
  }

  private explain(state: TalkState, persona: string): void {
    const permission = state.phase === "idle" ? state.permission : "prompt";
    const microphone = {
      granted: `Your microphone is ready. ${persona} hears you only during the call.`,
      prompt: `Your browser will ask for the microphone. ${persona} hears you only during the call.`,
      denied: "It is blocked for this page. Click the icon beside the page’s address and allow it before you call.",
    }[permission];
    this.guide.replaceChildren(
      step("microphone", "Microphone", microphone, permission === "denied"),
      step("voices", "Just talk", `${persona} greets you first. Speak as you would on the phone; you may interrupt at any time.`),
      step("lines", "Read along", "What both of you say appears here as it is spoken, and is kept by whoever runs this service."),
    );
  }

  private notify(notice: Notice | null, floating: boolean): void {
    const key = JSON.stringify(notice);
    this.notice.classList.toggle("side__notice--floating", floating);
    this.notice.hidden = notice === null;
    if (key === this.noticed) return;
    this.noticed = key;
    if (notice === null) {
      this.notice.replaceChildren();
      return;
    }
    const box = element(
      "div",
      { class: `notice${notice.grave ? " notice--danger" : ""}`, role: notice.grave ? "alert" : "status" },
      icon(notice.icon, 20),
      element("p", { class: "notice__title" }, notice.title),
      notice.why === "" ? null : element("p", {}, notice.why),
      notice.mend === "" ? null : element("p", { class: "notice__mend" }, notice.mend),
    );
    if (notice.icon === "sound") {
      const allow = element("button", { class: "button button--action notice__act", type: "button" }, "Turn on sound");
      allow.addEventListener("click", () => this.actions.allowSound());
      box.append(allow);
    }
    this.notice.replaceChildren(box);
  }

  private async copyWords(): Promise<void> {
    await this.actions.copyTranscript();
    this.labelCopy("check", "Copied");
    setTimeout(() => this.labelCopy("copy", "Copy"), 2_000);
  }

  private labelCopy(name: IconName, words: string): void {
    this.copy.replaceChildren(icon(name, 16), element("span", {}, words));
  }
}

function faceOf(state: TalkState, hasWords: boolean): Face {
  switch (state.phase) {
    case "key":
      return "key";
    case "loading":
    case "idle":
      return "guide";
    case "failed":
      return hasWords ? "transcript" : "problem";
    default:
      return "transcript";
  }
}

function step(name: IconName, title: string, words: string, blocked = false): HTMLLIElement {
  return element(
    "li",
    { class: blocked ? "guide__step guide__step--blocked" : "guide__step" },
    element("span", { class: "guide__icon", "aria-hidden": "true" }, icon(name)),
    element("div", {}, element("h3", {}, title), element("p", { class: "guide__words" }, words)),
  );
}

interface Notice {
  grave: boolean;
  icon: IconName;
  title: string;
  why: string;
  mend: string;
}

function noticeOf(state: TalkState, persona: string): Notice | null {
  if (state.phase === "failed") return problemNotice(state.problem);
  if (state.phase === "key") return state.problem === null || state.checking ? null : problemNotice(state.problem);
  if (state.phase !== "call") return null;
  const light = { grave: false, icon: "alert" } as const;
  if (state.leaving) return { ...light, icon: "phone", title: "Press Escape once more to hang up", why: "", mend: "" };
  if (state.connection === "reconnecting") {
    return { ...light, title: "Reconnecting", why: "Your network broke for a moment.", mend: "Stay on the line." };
  }
  if (state.persona === "away") {
    return { ...light, title: `${persona} dropped out`, why: "", mend: "Stay on the line; they should be back in a few seconds." };
  }
  if (state.sound === "blocked") {
    return { ...light, icon: "sound", title: "Your browser holds the sound back", why: "", mend: "" };
  }
  if (state.microphone === "lost") {
    return { ...light, icon: "microphoneOff", title: "Your microphone is gone", why: "", mend: "Plug it in again, or choose another in the browser." };
  }
  if (state.microphone === "silent" && !state.muted) {
    return { ...light, icon: "microphoneOff", title: "We hear nothing from you yet", why: "", mend: "Is the right microphone chosen, and its own mute switch off?" };
  }
  return null;
}

function problemNotice(problem: Problem): Notice {
  return { grave: true, icon: problem.needsKey ? "key" : "alert", title: problem.title, why: problem.why, mend: problem.mend };
}
