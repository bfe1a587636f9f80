/** Whom an agent may transfer its caller to: a number in each line, and after it a name. */

import { area } from "../console/fields";
import type { Json } from "../platform/client";
import { type Part, sentence } from "./form";
import { labelOf } from "./words";

export class NumbersPart implements Part {
  readonly name = "transfer_numbers";
  readonly root: HTMLElement;

  private readonly made = area({
    id: "set-transfer_numbers",
    rows: 3,
    label: labelOf("transfer_numbers"),
    hint: "One in each line: +17755550123 Sales. The act “Transfer the call” takes these alone, by number or name.",
    attributes: { maxlength: "6000", spellcheck: "false" },
  });

  constructor() {
    this.root = this.made.root;
  }

  show(value: unknown): void {
    const given = Array.isArray(value) ? (value as Json[]) : [];
    this.made.input.value = given.map((each) => `${String(each["number"] ?? "")} ${String(each["name"] ?? "")}`.trim()).join("\n");
  }

  read(): unknown {
    return numbersOf(this.made.input.value);
  }

  refuse(problem: string, rest: string): void {
    const place = Number(rest.split(".")[0]);
    const where = rest !== "" && Number.isInteger(place) ? `Line ${place + 1}: ` : "";
    this.made.refuse(problem === "" ? "" : where === "" ? sentence(problem) : `${where}${problem}`);
  }

  focus(): void {
    this.made.input.focus();
  }
}

/** What the lines say; a number may be written in groups. */
export function numbersOf(lines: string): { number: string; name: string }[] {
  return lines
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) => {
      const [number = ""] = /^[+\d][\d\s().-]*(?=\s|$)|^\S+/.exec(line) ?? [];
      return { number: number.replace(/[\s().-]/g, "") || number, name: line.slice(number.length).trim() };
    });
}
