/** What the settings of an agent are called for people, by the API's names. */

import { isObject } from "./settings";

const LABELS: Readonly<Record<string, string>> = {
  name: "Name",
  agent_type: "Kind",
  instructions: "Instructions",
  greeting: "Greeting",
  language: "Language",
  llm_provider: "Answers: provider",
  llm_model: "Answers: model",
  temperature: "Temperature",
  stt_provider: "Recognition: provider",
  stt_model: "Recognition: model",
  tts_provider: "Voice: provider",
  tts_model: "Voice: model",
  voice_id: "Voice",
  "fallbacks.llm": "Answers: fallbacks",
  "fallbacks.stt": "Recognition: fallbacks",
  "fallbacks.tts": "Voice: fallbacks",
  knowledge_base_ids: "Knowledge bases",
  tools: "Tools",
  "turn_taking.detection": "End of a turn",
  "turn_taking.min_endpointing_delay": "Shortest wait after a pause",
  "turn_taking.max_endpointing_delay": "Longest wait after a pause",
  "turn_taking.vad_min_silence": "Silence that is a pause",
  "turn_taking.interruption_min_duration": "Speech that interrupts",
  "turn_taking.allow_interruptions": "May be interrupted",
  fallback_number: "Fallback number",
  transfer_numbers: "Numbers it may transfer to",
  "voicemail.detect": "Listen for answering machines",
  "voicemail.message": "Message on the machine",
  max_call_duration: "Longest call",
  silence_timeout: "Silence that ends a call",
  record: "Record conversations",
  record_notice: "Notice of the recording",
  store_transcripts: "Keep transcripts",
  is_active: "In service",
  budget: "Budget",
};

/** The name of a setting for people; of one that this page does not know, the API's. */
export function labelOf(name: string): string {
  return LABELS[name] ?? name.replaceAll("_", " ").replaceAll(".", ": ");
}

/** A value of a setting as text, for a comparison. */
export function valueWords(value: unknown): string {
  if (value === null || value === undefined || value === "") return "";
  if (value === true) return "On";
  if (value === false) return "Off";
  if (Array.isArray(value)) return value.map(itemWords).join("\n");
  if (typeof value === "object") return JSON.stringify(value, null, 2);
  return String(value);
}

function itemWords(item: unknown): string {
  if (isObject(item) && typeof item["number"] === "string") return `${item["number"]} ${String(item["name"] ?? "")}`.trim();
  return typeof item === "object" && item !== null ? JSON.stringify(item, null, 2) : String(item);
}

/** Languages that are asked for most, by their tags. */
export const LANGUAGES: readonly string[] = ["en", "en-US", "en-GB", "de", "es", "fr", "hi", "it", "ja", "ko", "nl", "pl", "pt", "pt-BR", "sv", "tr", "uk", "zh"];

export const PROVIDERS: Readonly<Record<"llm" | "stt" | "tts", readonly (readonly [string, string])[]>> = {
  llm: [["openai", "This server's models (openai)"]],
  stt: [
    ["openai", "This server's models (openai)"],
    ["deepgram", "Deepgram"],
  ],
  tts: [
    ["openai", "This server's models (openai)"],
    ["azure", "Azure"],
    ["cartesia", "Cartesia"],
    ["elevenlabs", "ElevenLabs"],
  ],
};
