/** What a page says by itself where nobody is left in the room to say it: sound that is there already. */

import { type Room, RoomEvent } from "livekit-client";

const TOPIC = "parley.notice";
const SOUNDS: Readonly<Record<string, string>> = {
  de: new URL("./sorry/de.mp3", import.meta.url).href,
  en: new URL("./sorry/en.mp3", import.meta.url).href,
  es: new URL("./sorry/es.mp3", import.meta.url).href,
  fr: new URL("./sorry/fr.mp3", import.meta.url).href,
  it: new URL("./sorry/it.mp3", import.meta.url).href,
  nl: new URL("./sorry/nl.mp3", import.meta.url).href,
  pt: new URL("./sorry/pt.mp3", import.meta.url).href,
};

/** Hears the platform say that nothing helps any more, and says so; `end` is then called, once. People in the room cannot. */
export function apologiseFor(room: Room, end: () => void): void {
  let said = false;
  room.on(RoomEvent.DataReceived, (data, sender, _kind, topic) => {
    const language = sender === undefined && topic === TOPIC ? languageOf(data) : null;
    if (language === null || said) return;
    said = true;
    const sound = new Audio(SOUNDS[language.split("-")[0]?.toLowerCase() ?? ""] ?? SOUNDS["en"]);
    sound.dataset["notice"] = "sorry";
    void sound.play().catch(() => undefined); // a browser that holds it back: it is written as well
    end();
  });
}

/** The language of a notice that says "sorry"; null for anything else. */
export function languageOf(data: Uint8Array): string | null {
  try {
    const told: unknown = JSON.parse(new TextDecoder().decode(data));
    if (typeof told !== "object" || told === null || !("say" in told) || told.say !== "sorry") return null;
    return "language" in told && typeof told.language === "string" ? told.language : "en";
  } catch {
    return null;
  }
}
