/** What stands beside the transcript: where answers' time went, what was used, what it cost and came to. */

import { tag } from "../console/section";
import { tabs, type Tab } from "../console/tabs";
import { clock, counted, milliseconds, money } from "../console/words";
import { element } from "../dom/element";
import type { Analysis, Passage, Replay, Turn } from "../platform/replay";
import { legend, stacked, waterfall } from "./gaps";
import type { Player } from "./player";
import { median } from "./time";

const SERVICES: Record<string, string> = { llm: "Model", stt: "Recognition", tts: "Voice", telephony: "Telephone", recording: "Recording", knowledge: "Knowledge" };

export class Side {
  readonly root: HTMLElement;

  private readonly answers = new Map<Turn, HTMLDetailsElement>();

  constructor(
    private readonly replay: Replay,
    private readonly player: Player,
    ...more: Tab[]
  ) {
    const all: Tab[] = [
      { id: "answers", title: numbered("Answers", replay.turns.length), root: this.timing() },
      { id: "tools", title: numbered("Tools", replay.tools.length), root: this.tools() },
      { id: "passages", title: numbered("Passages", passagesOf(replay.turns).length), root: this.passages() },
      { id: "result", title: "Result", root: this.result() },
      ...more,
    ];
    this.root = element("section", { class: "panel replay__side", "aria-label": "Details" }, tabs("Details", all, "answers", () => undefined));
    player.onMove((ms) => this.show(ms));
  }

  /** Shows where the time of one answer went. */
  open(turn: Turn): void {
    this.root.querySelector<HTMLElement>("#tab-answers")?.click();
    const answer = this.answers.get(turn);
    if (answer === undefined) return;
    answer.open = true;
    answer.scrollIntoView({ block: "nearest" });
    answer.querySelector("summary")?.focus({ preventScroll: true });
  }

  private show(ms: number): void {
    for (const [turn, answer] of this.answers) {
      const began = turn.speech_ended_ms ?? turn.audio_started_ms ?? 0;
      answer.classList.toggle("answer--now", ms >= began && ms < (turn.audio_started_ms ?? began) + 400);
    }
  }

  private timing(): HTMLElement {
    const { turns, faults, fallbacks } = this.replay;
    const heard = turns.filter(({ gap_ms }) => gap_ms !== null);
    const troubles = [
      ...faults.map((fault) => ({ at: fault.at_ms, words: `${SERVICES[fault.service] ?? fault.service}: ${fault.reason}${fault.recovered ? ", tried again" : ""}` })),
      ...fallbacks.map((each) => ({ at: each.at_ms, words: `${SERVICES[each.service] ?? each.service}: ${each.used} took over from ${each.wanted}, ${each.reason}` })),
    ].sort((a, b) => a.at - b.at);
    return element(
      "div",
      { class: "stack" },
      heard.length === 0 ? nothing("No answer to somebody who spoke was measured in this conversation.") : figures(heard),
      heard.length === 0 ? null : legend(),
      troubles.length === 0
        ? null
        : element("div", { class: "replay__part" }, element("h3", {}, "Errors and fallbacks"), element("ul", { class: "replay__list" }, ...troubles.map(({ at, words }) => element("li", {}, this.go(at), element("span", {}, words))))),
      ...heard.map((turn, number) => this.answer(turn, number + 1, number === 0)),
    );
  }

  private answer(turn: Turn, number: number, isOpen: boolean): HTMLElement {
    const root = element(
      "details",
      { class: "answer", open: isOpen },
      element(
        "summary",
        { class: "answer__head" },
        element("span", { class: "answer__title" }, `Answer ${number}`),
        stacked(turn),
        element("span", { class: "answer__gap" }, milliseconds(turn.gap_ms ?? 0)),
      ),
      waterfall(turn, number),
      element("p", { class: "answer__foot" }, "Heard at ", this.go(turn.speech_ended_ms ?? 0), turn.passages.length === 0 ? "" : ` · ${counted(turn.passages.length, "passage")} before the model`),
    );
    this.answers.set(turn, root);
    return root;
  }

  private tools(): HTMLElement {
    const { tools } = this.replay;
    if (tools.length === 0) return nothing("The agent used no tool in this conversation.");
    return element(
      "ol",
      { class: "stack" },
      ...tools.map((tool) =>
        element(
          "li",
          { class: "tool" },
          element("div", { class: "tool__head" }, this.go(tool.at_ms), element("strong", {}, tool.name), tool.failed ? tag("Failed", "failed") : null, element("span", { class: "tool__ms" }, milliseconds(tool.ms))),
          tool.arguments === null
            ? element("p", { class: "section__hint" }, "What it was given and told is not kept where no transcript is.")
            : element("dl", { class: "tool__what" }, element("dt", {}, "Given"), element("dd", {}, element("code", {}, pretty(tool.arguments))), element("dt", {}, tool.failed ? "Error" : "Result"), element("dd", {}, tool.result === "" || tool.result === null ? "nothing" : tool.result)),
        ),
      ),
    );
  }

  private passages(): HTMLElement {
    const found = passagesOf(this.replay.turns);
    if (found.length === 0) return nothing("No passage of a knowledge base was put before the model.");
    return element(
      "ol",
      { class: "stack" },
      ...found.map(({ passage, turn }) =>
        element(
          "li",
          { class: "passage" },
          element(
            "div",
            { class: "tool__head" },
            this.go(turn.audio_started_ms ?? 0),
            element("strong", {}, passage.source === "" ? `Passage ${passage.chunk_id}` : passage.source),
            passage.changed ? tag(passage.content === null ? "Deleted since" : "Edited since", "warning") : null,
            score(passage.score),
          ),
          passage.heading === null ? null : element("p", { class: "passage__heading" }, passage.heading),
          passage.content === null ? null : element("p", { class: "passage__text" }, passage.content),
        ),
      ),
    );
  }

  private result(): HTMLElement {
    const { analysis, costs, session } = this.replay;
    const summary = analysis?.summary ?? session.summary;
    return element(
      "div",
      { class: "stack" },
      summary === null || summary === "" ? null : element("p", { class: "replay__summary" }, summary),
      analysis === null ? nothing("This conversation has not been analysed.") : analysed(analysis),
      costs === undefined
        ? null
        : element(
            "div",
            { class: "replay__part" },
            element("h3", {}, "Cost"),
            element(
              "dl",
              { class: "costs" },
              ...(["llm", "stt", "tts", "telephony", "recording"] as const)
                .filter((service) => costs[service] > 0)
                .flatMap((service) => [element("dt", {}, SERVICES[service] ?? service), element("dd", {}, money(costs[service]))]),
              element("dt", { class: "costs__total" }, "Together"),
              element("dd", { class: "costs__total" }, money(costs.total)),
            ),
          ),
    );
  }

  private go(ms: number): HTMLElement {
    const button = element("button", { class: "line__at", type: "button", "aria-label": `Play from ${clock(ms)}` }, clock(ms));
    button.addEventListener("click", () => {
      this.player.seek(ms);
      void this.player.play();
    });
    return button;
  }
}

function figures(turns: readonly Turn[]): HTMLElement {
  const gaps = turns.map(({ gap_ms }) => gap_ms ?? 0);
  const fact = (words: string, value: number): HTMLElement => element("div", { class: "figure" }, element("dt", {}, words), element("dd", {}, milliseconds(value)));
  return element("dl", { class: "figures" }, fact("Median gap", median(gaps)), fact("Shortest", Math.min(...gaps)), fact("Longest", Math.max(...gaps)));
}

function analysed(analysis: Analysis): HTMLElement {
  if (analysis.status === "pending") return nothing("The analysis is being made.");
  const list = (title: string, rows: (HTMLElement | null)[]): HTMLElement | null =>
    rows.length === 0 ? null : element("div", { class: "replay__part" }, element("h3", {}, title), element("ul", { class: "replay__list" }, ...rows));
  const told = [
    analysis.talk_ratio === null ? null : `People spoke ${Math.round(100 * analysis.talk_ratio)} % of the time`,
    analysis.interruptions === 0 ? null : `cut the agent off ${analysis.interruptions === 1 ? "once" : `${analysis.interruptions} times`}`,
    analysis.longest_silence_ms === 0 ? null : `longest silence ${milliseconds(analysis.longest_silence_ms)}`,
  ].filter((part) => part !== null);
  return element(
    "div",
    { class: "stack" },
    analysis.status === "failed" ? element("p", { class: "section__hint" }, `The analysis failed: ${analysis.error ?? "the model gave no usable answer"}.`) : null,
    element(
      "p",
      { class: "replay__tags" },
      ...(analysis.sentiment === null ? [] : [tag(analysis.sentiment, analysis.sentiment === "negative" ? "failed" : analysis.sentiment === "positive" ? "active" : "")]),
      ...(analysis.topics ?? []).map((topic) => tag(topic)),
    ),
    told.length === 0 ? null : element("p", { class: "section__hint" }, `${told.join(" · ")}.`),
    list("Objectives", (analysis.objectives ?? []).map(({ name, met }) => element("li", {}, tag(met ? "Met" : "Not met", met ? "active" : "failed"), element("span", {}, name)))),
    list("Criteria", (analysis.criteria ?? []).map(({ name, score: points, reason }) => element("li", {}, tag(`${points}`), element("span", {}, `${name}: ${reason}`)))),
    list("To do", (analysis.action_items ?? []).map(({ text, owner }) => element("li", {}, element("span", {}, owner === "" ? text : `${text} (${owner})`)))),
  );
}

function passagesOf(turns: readonly Turn[]): { passage: Passage; turn: Turn }[] {
  return turns.flatMap((turn) => turn.passages.map((passage) => ({ passage, turn })));
}

function score(value: number): HTMLElement {
  const meter = element("span", { class: "score__bar", "aria-hidden": "true" }, element("span", { class: "score__fill" }));
  (meter.firstElementChild as HTMLElement).style.width = `${Math.round(100 * Math.min(1, Math.max(0, value)))}%`;
  return element("span", { class: "score", title: "How well it fits the question, 0 to 1" }, meter, value.toFixed(2));
}

/** Long JSON on lines of its own. */
function pretty(json: string): string {
  if (json.length <= 60) return json;
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json; // it was cut, or the model wrote something else
  }
}

function nothing(words: string): HTMLElement {
  return element("p", { class: "section__empty" }, words);
}

/** The title of a tab, with how many there are. */
function numbered(words: string, number: number): string {
  return number === 0 ? words : `${words} ${number}`;
}
