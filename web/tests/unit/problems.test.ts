import { expect, test } from "vitest";
import { MicrophoneError, troubleOf } from "../../src/call/microphone";
import { ApiError, Unreachable } from "../../src/platform/api";
import { NoPersona, problemOf, problemOfEnding } from "../../src/talk/problems";

const refusal = (status: number, code: string, seconds: number | null = null, resource: string | null = null): ApiError =>
  new ApiError(status, code, "no", seconds, resource);

test.each([
  [refusal(401, "UNAUTHORIZED"), "key_refused"],
  [refusal(429, "QUOTA_EXCEEDED", null, "sip_calls"), "quota_exceeded"],
  [refusal(429, "RATE_LIMITED", 9), "rate_limited"],
  [refusal(503, "UNAVAILABLE", 12), "no_worker"],
  [refusal(403, "FORBIDDEN"), "forbidden"],
  [new Unreachable(), "server_unreachable"],
  [new NoPersona("7"), "persona_unknown"],
  [new NoPersona(null), "no_persona"],
  [new MicrophoneError("denied"), "microphone_denied"],
  [new Error("ice failed"), "call_not_connected"],
])("%s is told as %s, with a reason and a mend", (error, code) => {
  const problem = problemOf(error, "Nora");
  expect(problem.code).toBe(code);
  expect(problem.why).not.toBe("");
  expect(problem.mend).not.toBe("");
});

test("the wait a server asks for is kept", () => {
  expect(problemOf(refusal(503, "UNAVAILABLE", 12), "Nora").retryAfterSeconds).toBe(12);
});

test("only a wrong key asks for another key", () => {
  expect(problemOf(refusal(401, "UNAUTHORIZED"), "Nora").needsKey).toBe(true);
  expect(problemOf(refusal(503, "UNAVAILABLE"), "Nora").needsKey).toBe(false);
});

test("the name of the exhausted resource is readable", () => {
  expect(problemOf(refusal(429, "QUOTA_EXCEEDED", null, "sip_calls"), "Nora").why).toContain("sip calls");
});

test("hanging up is no problem, a broken line is one", () => {
  expect(problemOfEnding("left", "Nora")).toBeNull();
  expect(problemOfEnding("over", "Nora")).toBeNull();
  expect(problemOfEnding("lost", "Nora")?.code).toBe("connection_lost");
});

test("the browser's error names say what is wrong with the microphone", () => {
  expect(troubleOf(new DOMException("", "NotAllowedError"))).toBe("denied");
  expect(troubleOf(new DOMException("", "NotFoundError"))).toBe("missing");
  expect(troubleOf(new DOMException("", "NotReadableError"))).toBe("busy");
});
