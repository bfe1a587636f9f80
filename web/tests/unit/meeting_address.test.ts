import { describe, expect, it } from "vitest";
import { readAddress, readToken, sourcesOf } from "../../src/meeting/address";

const token = (claims: object): string => {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "HS256" })}.${part(claims)}.signature`;
};

describe("the address of a meeting", () => {
  it("names the meeting; tokens come in the fragment alone", () => {
    expect(readAddress("/join/abc-defg", "?token=no", "#token=T&admin=A")).toEqual({ kind: "meeting", code: "abc-defg", token: "T", admin: "A" });
    expect(readAddress("/join/abc-defg", "", "")).toEqual({ kind: "meeting", code: "abc-defg", token: null, admin: null });
  });

  it("names the scenario and whose it is", () => {
    expect(readAddress("/s/7", "?end_user_id=1&membership_id=2", "")).toEqual({ kind: "scenario", scenario: "7", query: "?end_user_id=1&membership_id=2" });
  });

  it.each(["/join/", "/join", "/", "/other/abc", "/join/%E0%A4%A"])("%s names nothing", (path) => {
    expect(readAddress(path, "", "")).toEqual({ kind: "nothing" });
  });
});

describe("a token, as its holder's page reads it", () => {
  it("says who one is and what one may show", () => {
    const video = { room: "proj_abc", canPublish: true, canPublishSources: ["microphone"] };
    expect(readToken(token({ sub: "user-1", name: "Zoë", video }))).toEqual({ name: "Zoë", sources: ["microphone"], waits: false });
  });

  it("says that one waits, and nothing of what will be allowed", () => {
    const video = { room: "waiting.5", canPublish: false };
    expect(readToken(token({ sub: "guest-1", video }))).toEqual({ name: "guest-1", sources: [], waits: true });
  });

  it.each(["", "nonsense", "a.b.c", "a.!.c"])("%s is none", (text) => {
    expect(readToken(text)).toBeNull();
  });
});

describe("what somebody may show", () => {
  it("is what both the meeting and the token allow", () => {
    const holder = { name: "Ada", sources: ["microphone", "camera"], waits: false };
    const controls = { enable_audio: true, enable_video: false, enable_screen_sharing: true };
    expect(sourcesOf(controls, holder)).toEqual({ microphone: true, camera: false, screen_share: false });
    expect(sourcesOf(controls, null)).toEqual({ microphone: true, camera: false, screen_share: true });
    expect(sourcesOf(controls, { ...holder, sources: [], waits: true })).toEqual({ microphone: true, camera: false, screen_share: true });
  });
});
