/** The settings of an agent in groups that are read one after the other. */

import { element } from "../dom/element";
import { BasesPart, BudgetPart } from "./choices_parts";
import { FallbacksPart } from "./fallbacks_part";
import { beside, choice, type Group, group, line, number, onOff, type Part, prose } from "./form";
import { NumbersPart } from "./numbers_part";
import { variablesOf } from "./settings";
import { ToolsPart } from "./tools_part";
import { labelOf, LANGUAGES, PROVIDERS } from "./words";

export interface Groups {
  readonly all: readonly Group[];
  readonly bases: BasesPart;
}

/** `changed` hears of changes that are no input of a field: rows that are added, moved and taken away. */
export function agentGroups(changed: () => void): Groups {
  const bases = new BasesPart();
  return {
    all: [
      persona(),
      models(changed),
      turns(),
      group("knowledge", "Knowledge", "What it looks up while the caller speaks. It answers from these, and says when they hold nothing.", [bases]),
      group("tools", "Acts and tools", "What it can do besides talking. It decides by the words you give each.", [new ToolsPart(changed)]),
      phone(),
      limits(),
      privacy(),
    ],
    bases,
  };
}

function persona(): Group {
  const found = element("p", { class: "field__hint agent-variables", "aria-live": "polite" });
  const texts = new Map<string, string>();
  const hear = (name: string) => (text: string) => {
    texts.set(name, text);
    const names = variablesOf(...texts.values());
    found.textContent =
      names.length === 0
        ? "Write {{name}} where something differs from call to call; POST /token, /sip/dial and /talk?var.name=… fill it in."
        : `Filled in for each call: ${names.join(", ")}`;
  };
  const name = line("name", { label: labelOf("name") });
  const language = line("language", { label: labelOf("language"), hint: "A tag such as en, de or pt-BR.", max: 35, suggestions: LANGUAGES });
  const kind = choice("agent_type", {
    label: labelOf("agent_type"),
    choices: [
      ["voice", "Voice"],
      ["text", "Text"],
    ],
  });
  const instructions = prose("instructions", {
    label: labelOf("instructions"),
    hint: "Who it is, what it does, what it must never do. Short sentences work best.",
    rows: 12,
    max: 50_000,
    heard: hear("instructions"),
  });
  const greeting = prose("greeting", {
    label: labelOf("greeting"),
    hint: "Said first. Empty: it waits for the caller.",
    rows: 2,
    max: 2_000,
    heard: hear("greeting"),
  });
  const active = onOff("is_active", { label: labelOf("is_active"), hint: "Off: it takes no more calls. Acts at once, without publishing." });
  const parts = [name, kind, language, instructions, greeting, active];
  const hint = "Who answers, and what they have been told.";
  return group("persona", "Persona", hint, parts, name.root, beside(kind, language), instructions.root, greeting.root, found, active.root);
}

function models(changed: () => void): Group {
  const own = "The server's own";
  const provider = (kind: keyof typeof PROVIDERS): Part => choice(`${kind}_provider`, { label: "Provider", choices: PROVIDERS[kind] });
  const model = (name: string, label = "Model"): Part => line(name, { label, isOptional: true, placeholder: own });
  const temperature = number("temperature", { label: "Temperature", isOptional: true, min: 0, max: 2, step: 0.1, placeholder: "The model's own" });
  const sections: (readonly [string, string, readonly Part[], FallbacksPart])[] = [
    ["Answers", "Thinks of what to say.", [provider("llm"), model("llm_model"), temperature], new FallbacksPart("llm", "answers", changed)],
    ["Recognition", "Turns the caller's speech into words.", [provider("stt"), model("stt_model")], new FallbacksPart("stt", "recognition", changed)],
    ["Voice", "Speaks the answer.", [provider("tts"), model("tts_model"), model("voice_id", "Voice")], new FallbacksPart("tts", "the voice", changed)],
  ];
  return group(
    "models",
    "Models and voice",
    "A fallback takes over within the same answer when the one before it fails; the server's own comes last.",
    sections.flatMap(([, , parts, fallbacks]) => [...parts, fallbacks]),
    ...sections.map(([title, hint, parts, fallbacks]) =>
      element(
        "div",
        { class: "agent-model", role: "group", "aria-label": title },
        element("h3", {}, title),
        element("p", { class: "field__hint" }, hint),
        beside(...parts),
        fallbacks.root,
      ),
    ),
  );
}

function turns(): Group {
  const seconds = (name: string, hint: string, min: number, max: number): Part =>
    number(`turn_taking.${name}`, { label: `${labelOf(`turn_taking.${name}`)} (s)`, hint, min, max, step: 0.05 });
  const detection = choice("turn_taking.detection", {
    label: labelOf("turn_taking.detection"),
    hint: "By its meaning waits for people who think aloud, and answers sooner when a sentence is complete.",
    choices: [
      ["model", "By the meaning of what was said"],
      ["vad", "By silence alone"],
    ],
  });
  const may = onOff("turn_taking.allow_interruptions", {
    label: labelOf("turn_taking.allow_interruptions"),
    hint: "Off: it finishes what it says, whatever the caller does.",
  });
  const shortest = seconds("min_endpointing_delay", "When the sentence is clearly over.", 0, 5);
  const longest = seconds("max_endpointing_delay", "When it may go on.", 0, 10);
  const silence = seconds("vad_min_silence", "Shorter gaps belong to speech.", 0.05, 2);
  const interrupts = seconds("interruption_min_duration", "A cough is shorter.", 0.05, 2);
  const parts = [detection, shortest, longest, silence, interrupts, may];
  const hint = "When a pause is the end of a turn, and when speech interrupts. Shorter waits answer sooner and cut in more often.";
  return group("turns", "Turn taking", hint, parts, detection.root, beside(shortest, longest, silence, interrupts), may.root);
}

function phone(): Group {
  return group("phone", "Telephone", "Numbers that it answers and trunks are on the page Phone.", [
    onOff("voicemail.detect", { label: labelOf("voicemail.detect"), hint: "Notices when a machine takes the call instead of a person." }),
    line("fallback_number", {
      label: labelOf("fallback_number"),
      hint: "Where a call is transferred when nothing answers any more, such as +17755550123. Empty: it hears an apology.",
      isOptional: true,
      max: 16,
    }),
    new NumbersPart(),
    prose("voicemail.message", { label: labelOf("voicemail.message"), hint: "Left after the tone. Empty: it hangs up without a word.", rows: 2, max: 2_000 }),
  ]);
}

function limits(): Group {
  const longest = number("max_call_duration", { label: `${labelOf("max_call_duration")} (s)`, hint: "10 seconds to 24 hours. It says goodbye before.", min: 10, max: 86_400 });
  const silence = number("silence_timeout", { label: `${labelOf("silence_timeout")} (s)`, hint: "Nobody has said a word for so long.", min: 10, max: 86_400 });
  const budget = new BudgetPart();
  const hint = "So that no call runs on, and no month surprises you. The budget acts at once, without publishing.";
  return group("limits", "Limits", hint, [longest, silence, budget], beside(longest, silence), budget.root);
}

function privacy(): Group {
  return group("privacy", "Recording and privacy", "What is kept of a conversation. In many places people must be told before.", [
    onOff("record", { label: labelOf("record"), hint: "From the first word: the agent on the left channel, people on the right." }),
    prose("record_notice", { label: labelOf("record_notice"), hint: "Said before the greeting where a recording runs: This call is recorded.", rows: 2, max: 500 }),
    onOff("store_transcripts", { label: labelOf("store_transcripts"), hint: "Off: nothing that was said is kept, nor questions that found no answer." }),
  ]);
}
