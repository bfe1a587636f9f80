/** Files on their way into a base: dropped or chosen, several at a time, each with how far it is and what went wrong. */

import { bytes, count, counted } from "../console/words";
import { element, setText } from "../dom/element";
import { icon } from "../dom/icons";
import { type Base, base, type Ingested, uploadDocument } from "../platform/knowledge";
import { ENDINGS, objectionTo, refusalWords } from "./mends";

const AT_ONCE = 2;
const LOOK_EVERY_MS = 1_000;

type State = "waiting" | "sending" | "reading" | "indexing" | "done" | "failed";

class Upload {
  readonly root: HTMLElement;
  state: State = "waiting";
  readonly ending = new AbortController();

  private readonly words = element("span", { class: "upload__words" }, "Waits");
  private readonly bar = element("progress", { class: "progress upload__bar", max: "1", value: "0" });
  private readonly again = element("button", { class: "button button--quiet button--small", type: "button", hidden: true }, "Try again");
  private readonly away = element("button", { class: "button button--quiet button--small", type: "button" }, icon("close", 16));

  constructor(
    readonly file: File,
    acts: { retry: (upload: Upload) => void; remove: (upload: Upload) => void },
  ) {
    this.bar.setAttribute("aria-label", file.name);
    this.again.setAttribute("aria-label", `Try ${file.name} again`);
    this.away.setAttribute("aria-label", `Take ${file.name} off the list`);
    this.again.addEventListener("click", () => acts.retry(this));
    this.away.addEventListener("click", () => acts.remove(this));
    this.root = element(
      "li",
      { class: "upload", "data-state": this.state },
      element("span", { class: "upload__name" }, file.name, " ", element("span", { class: "field__hint" }, bytes(file.size))),
      element("span", { class: "upload__acts" }, this.again, this.away),
      this.bar,
      this.words,
    );
  }

  get said(): string {
    return this.words.textContent ?? "";
  }

  /** `share` from 0 to 1; null: nobody knows how long it takes. */
  tell(state: State, words: string, share: number | null): void {
    this.state = state;
    this.root.dataset["state"] = state;
    setText(this.words, words);
    this.bar.hidden = state === "done" || state === "failed";
    if (share === null) this.bar.removeAttribute("value");
    else this.bar.value = share;
    // What the page itself refuses would be refused again.
    this.again.hidden = state !== "failed" || objectionTo(this.file) !== null;
  }
}

export class UploadsView {
  readonly root: HTMLElement;

  private readonly list = element("ul", { class: "uploads", "aria-label": "Uploads" });
  /** Ends alone are read out: each percent would be a sentence. */
  private readonly announcer = element("p", { class: "visually-hidden", role: "status" });
  private readonly chooser = element("input", { type: "file", class: "visually-hidden", multiple: true, accept: ENDINGS.join(","), id: "upload-files" });
  private readonly zone: HTMLElement;
  private uploads: Upload[] = [];
  private running = 0;
  private signal: AbortSignal = AbortSignal.abort();

  /** `changed` hears of the base when there is more in it. */
  constructor(
    private readonly id: number,
    private readonly changed: (base: Base) => void,
  ) {
    const choose = element("label", { class: "button button--action button--small", for: "upload-files" }, icon("upload", 16), "Choose files");
    this.zone = element(
      "div",
      { class: "drop" },
      this.chooser,
      element("p", { class: "drop__words" }, "Drop documents here, or"),
      choose,
      element("p", { class: "field__hint" }, `${ENDINGS.join(" ")} up to 10 MB. A file of the same name takes the place of the earlier one.`),
    );
    this.chooser.addEventListener("change", () => {
      this.take([...(this.chooser.files ?? [])]);
      this.chooser.value = "";
    });
    this.listen();
    this.root = element("div", { class: "stack" }, this.zone, this.announcer, this.list);
  }

  start(signal: AbortSignal): void {
    this.signal = signal;
    signal.addEventListener("abort", () => {
      for (const upload of this.uploads) upload.ending.abort();
    });
  }

  /** Whether files are on their way that leaving the page would stop. */
  get isBusy(): boolean {
    return this.uploads.some(({ state }) => state === "waiting" || state === "sending" || state === "reading");
  }

  take(files: readonly File[]): void {
    for (const file of files) {
      const upload = new Upload(file, { retry: (again) => this.retry(again), remove: (gone) => this.remove(gone) });
      this.uploads.push(upload);
      this.list.append(upload.root);
      const objection = objectionTo(file);
      if (objection !== null) upload.tell("failed", objection, null);
    }
    this.next();
  }

  private listen(): void {
    // Entering a child is told before leaving its parent, so depth is counted.
    let depth = 0;
    const isOver = (over: boolean): void => {
      this.zone.classList.toggle("drop--over", over);
    };
    this.zone.addEventListener("dragenter", (event) => {
      event.preventDefault();
      depth += 1;
      isOver(true);
    });
    this.zone.addEventListener("dragover", (event) => event.preventDefault());
    this.zone.addEventListener("dragleave", () => {
      depth -= 1;
      isOver(depth > 0);
    });
    this.zone.addEventListener("drop", (event) => {
      event.preventDefault();
      depth = 0;
      isOver(false);
      this.take([...(event.dataTransfer?.files ?? [])]);
    });
  }

  private next(): void {
    while (this.running < AT_ONCE) {
      const upload = this.uploads.find(({ state }) => state === "waiting");
      if (upload === undefined) return;
      this.running += 1;
      upload.tell("sending", "Sending", 0);
      void this.send(upload).finally(() => {
        this.running -= 1;
        this.next();
      });
    }
  }

  private async send(upload: Upload): Promise<void> {
    const { signal } = upload.ending;
    try {
      const told = (share: number): void => {
        if (share < 1) upload.tell("sending", `Sending: ${Math.round(share * 100)} %`, share);
        else upload.tell("reading", "Sent. It is read and cut into passages", null);
      };
      const ingested = await uploadDocument(this.id, upload.file, told, signal);
      if (ingested.isLater) await this.follow(upload, ingested);
      else upload.tell("done", passages(ingested), 1);
      setText(this.announcer, `${upload.file.name}: ${upload.said}`);
      this.changed(await base(this.id, this.signal));
    } catch (error) {
      if (signal.aborted || this.signal.aborted) return;
      upload.tell("failed", refusalWords(error), null);
      setText(this.announcer, `${upload.file.name}: ${upload.said}`);
    }
  }

  /** A large document is ingested after the answer; the base says how far it is. */
  private async follow(upload: Upload, planned: Ingested): Promise<void> {
    for (;;) {
      const now = await base(this.id, upload.ending.signal);
      this.changed(now);
      if (now.status === "error") {
        upload.tell("failed", "It could not be indexed. Try again; if it happens again, tell whoever runs this server.", null);
        return;
      }
      if (now.status !== "indexing") {
        upload.tell("done", passages(planned), 1);
        return;
      }
      upload.tell("indexing", `Indexing about ${count(planned.chunks)} passages: ${now.progress} %`, now.progress / 100);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      upload.ending.signal.throwIfAborted();
    }
  }

  private retry(upload: Upload): void {
    upload.tell("waiting", "Waits", 0);
    this.next();
  }

  private remove(upload: Upload): void {
    upload.ending.abort();
    this.uploads = this.uploads.filter((other) => other !== upload);
    upload.root.remove();
    this.chooser.focus();
  }
}

function passages({ chunks }: Ingested): string {
  return `Ready: ${counted(chunks, "passage")}`;
}
