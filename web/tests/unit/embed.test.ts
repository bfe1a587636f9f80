import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { sheet } from "../../embed_build";
import { onColour } from "../../src/embed/colour";
import { problemOf, refused, wait } from "../../src/embed/problems";
import { MicrophoneError } from "../../src/call/microphone";
import { originsOf, scriptSnippet } from "../../src/embeds/snippet";

const refusal = { status: 403, code: "FORBIDDEN", error: "no", rule: null, retryAfter: null };

describe("the sheet of the button", () => {
  const css = sheet(readFileSync("src/design/tokens.css", "utf8"), readFileSync("src/embed/widget.css", "utf8"));

  it("owes nothing to the page around it", () => {
    expect(css).not.toMatch(/\drem|@font-face|url\(|[^.\w-]body\b/);
    expect(css).toContain("min-height: 52px");
  });

  it("has the tokens after what resets them, and both themes", () => {
    expect(css.indexOf("all: initial")).toBeLessThan(css.indexOf("--action: light-dark"));
    for (const theme of ["light", "dark"]) expect(css).toContain(`.parley[data-theme="${theme}"]{color-scheme: ${theme}}`);
  });
});

describe("words on a colour", () => {
  it.each([
    ["#000000", "white"],
    ["#0b7a6b", "white"],
    ["#ffd400", "black"],
    ["#ffffff", "black"],
  ])("%s is read best with %s", (colour, words) => {
    expect(onColour(colour)).toBe(words);
  });
});

describe("what goes wrong", () => {
  it.each([
    [{ rule: "origin" }, "origin_refused"],
    [{ rule: "inactive" }, "switched_off"],
    [{ rule: "mode" }, "mode_refused"],
    [{ status: 401 }, "key_unknown"],
    [{ status: 409 }, "switched_off"],
    [{ status: 429, error: "A visitor may begin 10 calls in an hour", retryAfter: 600 }, "limit_reached"],
    [{ status: 429, error: "All 5 calls of this button are taken", retryAfter: 15 }, "all_busy"],
    [{ status: 429, code: "QUOTA_EXCEEDED" }, "all_busy"],
    [{ status: 503 }, "all_busy"],
    [{ status: 500 }, "refused"],
  ])("%o is %s", (change, code) => {
    const problem = refused({ ...refusal, ...change });
    expect(problem.code).toBe(code);
    expect(problem.title).not.toBe("");
    expect(problem.mend).not.toBe("");
  });

  it("says when another call may be placed", () => {
    expect([wait(1), wait(61), wait(3600), wait(null)]).toEqual(["in a minute", "in 2 minutes", "in an hour", "in an hour"]);
  });

  it("tells a blocked microphone from a line that is down", () => {
    expect(problemOf(new MicrophoneError("denied")).code).toBe("microphone_denied");
    expect(problemOf(new Error("x")).code).toBe("unreachable");
  });
});

describe("what an owner of a site copies and writes", () => {
  it("is one script with the key", () => {
    expect(scriptSnippet("https://parley.example", "ek_1")).toBe('<script src="https://parley.example/embed.js" data-agent="ek_1" async></script>');
  });

  it("makes origins of addresses, each once", () => {
    expect(originsOf("https://Shop.example/kettles?x=1\nhttps://shop.example, http://127.0.0.2:8080 shop")).toEqual([
      "https://shop.example",
      "http://127.0.0.2:8080",
      "shop",
    ]);
  });
});
