/** One session: heard, read, and understood. The same page for its owner and for whoever was sent a link. */

import { emptyState, linkButton } from "../console/empty";
import { tag } from "../console/section";
import { pageHead, pageHeadOf, pageRoot, type View } from "../console/view";
import { clock, duration, moment, sentence } from "../console/words";
import { element, setText } from "../dom/element";
import { icon } from "../dom/icons";
import type { Replay, Sound } from "../platform/replay";
import { Lines } from "./lines";
import { Player } from "./player";
import { Sharing } from "./sharing";
import { Side } from "./side";
import { bestSound, wholeOf } from "./time";
import { Waves } from "./waves";
import "./replay.css";

const PACES = ["0.75", "1", "1.25", "1.5", "2"];
const JUMP_MS = 5_000;
/** While something is still to come: the end, the recording, its picture, the analysis. */
const AGAIN_MS = 4_000;
const AGAIN_AFTER_END_MS = 180_000;
const TYPES: Record<string, string> = { voice: "in the browser", sip: "by phone", bot: "with a bot", meeting: "in a meeting" };

export interface Source {
  fetch(signal?: AbortSignal): Promise<Replay>;
  /** Whose session it is: they see costs and make links. */
  readonly sessionId: number | null;
}

export class ReplayView implements View {
  readonly title: string;
  readonly root: HTMLElement;

  private readonly outlet = element("div", { class: "replay" });
  private player: Player | null = null;
  private lines: Lines | null = null;
  private shown = "";

  constructor(private readonly source: Source) {
    this.title = source.sessionId === null ? "Replay" : `Session ${source.sessionId}`;
    this.root = pageRoot(this.outlet);
    this.outlet.append(pageHead(this.title), element("p", { class: "section__hint", role: "status" }, "Loading …"));
  }

  async start(signal: AbortSignal): Promise<void> {
    const first = await this.source.fetch(signal);
    this.draw(first, signal);
    document.addEventListener("keydown", (event) => this.key(event), { signal });
    signal.addEventListener("abort", () => this.player?.close());
    void this.follow(first, signal);
  }

  /** Fetches it again until nothing more is to come; what is being heard is not disturbed. */
  private async follow(first: Replay, signal: AbortSignal): Promise<void> {
    let latest = first;
    let overSince = latest.session.status === "active" ? null : Date.now();
    while (!signal.aborted && isUnfinished(latest) && (overSince === null || Date.now() - overSince < AGAIN_AFTER_END_MS)) {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      if (signal.aborted) return;
      try {
        latest = await this.source.fetch(signal);
      } catch {
        if (signal.aborted) return;
        continue; // the server is away; what is shown stays
      }
      if (latest.session.status !== "active") overSince ??= Date.now();
      if (this.player?.isPlaying !== true && !this.root.contains(document.activeElement)) this.draw(latest, signal);
    }
  }

  private draw(replay: Replay, signal: AbortSignal): void {
    const essence = JSON.stringify(replay, (name, value: unknown) => (name === "url" || name === "url_expires_at" ? undefined : value));
    if (essence === this.shown) return;
    this.shown = essence;
    const at = this.player?.ms ?? 0;
    this.player?.close();
    const sound = bestSound(replay.recordings);
    const player = new Player(sound, wholeOf(replay.duration_ms, sound), async () => {
      const again = await this.source.fetch(signal);
      return again.recordings.find(({ id }) => id === sound?.id)?.url ?? null;
    });
    this.player = player;
    const { sessionId } = this.source;
    const sharing = sessionId === null ? null : new Sharing(sessionId);
    const side = new Side(replay, player, ...(sharing === null ? [] : [{ id: "share", title: "Share", root: sharing.root }]));
    const lines = (this.lines = new Lines(replay, player, (turn) => side.open(turn)));
    void sharing?.start(signal);
    this.outlet.replaceChildren(
      this.head(replay, side),
      element("section", { class: "panel replay__sound", "aria-label": "Sound" }, controls(player, sound), new Waves(replay, sound, player).root, ...notes(replay, sound)),
      element("div", { class: "replay__both" }, element("section", { class: "panel replay__words", "aria-label": "Transcript" }, words(replay, lines)), side.root),
    );
    player.seek(at);
  }

  private head(replay: Replay, side: Side): HTMLElement {
    const { session } = replay;
    const name = session.agent_name ?? "Conversation";
    const how = TYPES[session.session_type] ?? session.session_type;
    const hint = `${moment(session.started_at)} · ${duration(Math.round(replay.duration_ms / 1000))} · ${how}${session.llm_model == null ? "" : ` · ${session.llm_model}`}`;
    const download = element("button", { class: "button button--small", type: "button" }, icon("code", 16), "JSON");
    download.addEventListener("click", () => save(replay));
    const share = element("button", { class: "button button--action button--small", type: "button" }, icon("link", 16), "Share");
    share.addEventListener("click", () => {
      const tab = side.root.querySelector<HTMLElement>("#tab-share");
      tab?.click();
      tab?.scrollIntoView({ block: "nearest" });
      side.root.querySelector<HTMLElement>("#share-length")?.focus();
    });
    const until = replay.expires_at === undefined ? null : tag(`Link opens until ${moment(replay.expires_at)}`);
    const isOwn = this.source.sessionId !== null;
    return pageHeadOf(
      isOwn ? ["Sessions", "/console/sessions"] : null,
      element("h1", { tabindex: "-1" }, name),
      [element("p", { class: "page__hint" }, hint)],
      stateOf(replay),
      until,
      download,
      isOwn ? share : null,
    );
  }

  private key(event: KeyboardEvent): void {
    const { player, lines } = this;
    const target = event.target as HTMLElement;
    if (player === null || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.closest("input, select, textarea, [role=tablist], dialog") !== null) return;
    const isButton = target.closest("button, a, summary") !== null;
    const act: Record<string, () => void> = {
      ArrowLeft: () => player.seek(player.ms - JUMP_MS),
      ArrowRight: () => player.seek(player.ms + JUMP_MS),
      ",": () => lines?.step(-1),
      ".": () => lines?.step(1),
      ...(isButton ? {} : { " ": () => player.toggle(), Home: () => player.seek(0) }),
    };
    const chosen = act[event.key];
    if (chosen === undefined) return;
    event.preventDefault();
    chosen();
  }
}

function controls(player: Player, sound: Sound | null): HTMLElement {
  const play = element("button", { class: "button button--action replay__play", type: "button", disabled: player.media === null });
  const at = element("span", { class: "replay__at" });
  const pace = element(
    "select",
    { class: "field__input replay__pace", "aria-label": "Pace", disabled: player.media === null },
    ...PACES.map((rate) => element("option", { value: rate, selected: rate === "1" }, `${rate}×`)),
  );
  pace.addEventListener("change", () => {
    player.pace = Number(pace.value);
  });
  play.addEventListener("click", () => player.toggle());
  const tell = (): void => {
    play.replaceChildren(icon(player.isPlaying ? "pause" : "play", 20));
    play.setAttribute("aria-label", player.isPlaying ? "Pause" : "Play");
  };
  player.onTurn(tell);
  player.onMove((ms) => setText(at, `${clock(ms)} / ${clock(player.wholeMs)}`));
  tell();
  const keys = element("span", { class: "replay__keys", "aria-hidden": "true" }, sound === null ? "" : "Space plays · ← → five seconds · , . line by line");
  return element("div", { class: "replay__controls" }, play, at, pace, keys);
}

function words(replay: Replay, lines: Lines): HTMLElement {
  if (replay.lines.length > 0) return lines.root;
  if (!replay.transcript_kept) {
    return emptyState("lock", "The transcript is not kept", "This agent, or its project, keeps no words of conversations. Times and names of tools are kept.");
  }
  if (replay.session.status === "active") return emptyState("voices", "Nobody has spoken yet", "What is said appears here.");
  return emptyState("lines", "Nobody spoke", "This conversation ended before a word was said.", linkButton("Talk to an agent", "/talk"));
}

/** What the reader should know of the sound. */
function notes(replay: Replay, sound: Sound | null): HTMLElement[] {
  const told: string[] = [];
  const [newest] = replay.recordings;
  if (sound === null && newest === undefined) told.push(`There is no recording${replay.lines.length > 0 ? ": the picture shows who spoke when" : ""}. An agent records where its setting Record is on.`);
  else if (sound === null && newest?.status === "recording") told.push("The recording is still running; it can be heard when the conversation has ended.");
  else if (sound === null) told.push(newest?.error == null ? "The recording cannot be played with this key." : `There is no recording: ${newest.error}.`);
  else if (sound.peaks === null) told.push("The recording is being measured; the picture shows who spoke when until then.");
  if (sound !== null && sound.missing_ms > 0) told.push(`${(sound.missing_ms / 1000).toFixed(1)} s of it are silence because the recorder was away.`);
  if (replay.lines.length > 0 && !replay.words_measured) told.push("Times of words are estimated within their line.");
  return told.length === 0 ? [] : [element("p", { class: "replay__notes" }, told.join(" "))];
}

function stateOf({ session }: Replay): HTMLElement {
  if (session.status === "active") return tag("Running", "active");
  return tag(sentence(session.end_reason ?? "ended"), session.outcome === "failed" ? "failed" : "");
}

function isUnfinished(replay: Replay): boolean {
  if (replay.session.status === "active") return true;
  const sounds = replay.recordings.some((sound) => sound.status === "recording" || (sound.url !== null && sound.peaks === null));
  return sounds || replay.analysis?.status === "pending";
}

function save(replay: Replay): void {
  const url = URL.createObjectURL(new Blob([JSON.stringify(replay, null, 2)], { type: "application/json" }));
  const link = element("a", { href: url, download: `session-${replay.session.id}.json` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
