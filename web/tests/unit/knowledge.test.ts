import { expect, test } from "vitest";
import { objectionTo, refusalWords } from "../../src/knowledge/mends";
import { figure, share } from "../../src/knowledge/score";
import { ApiError, Unreachable } from "../../src/platform/api";

test("a file that the server would refuse is not sent", () => {
  expect(objectionTo({ name: "Prices.PDF", size: 10 })).toBeNull();
  expect(objectionTo({ name: "prices.xlsx", size: 10 })).toContain("Save it as one of .txt");
  expect(objectionTo({ name: "prices.pdf", size: 11 * 1024 * 1024 })).toContain("Split it");
  expect(objectionTo({ name: "prices.pdf", size: 0 })).toBe("It is empty.");
});

test("a refusal says the mend, whatever it was for", () => {
  const refused = (status: number, code?: string): ApiError =>
    new ApiError(status, "INVALID_REQUEST", "file: no", null, null, code === undefined ? [] : [{ field: "file", problem: "is not", code }]);
  expect(refusalWords(refused(400, "encrypted"))).toContain("Save a copy without one");
  expect(refusalWords(refused(413))).toContain("Split it");
  expect(refusalWords(refused(503))).toContain("half a minute");
  expect(refusalWords(new Unreachable("no answer"))).toContain("try again");
  expect(refusalWords(refused(400, "of a later server"))).toBe("File is not.");
});

test("figures of a score have two digits, and bars stay within their frame", () => {
  expect([figure(0), figure(0.001), figure(0.4), figure(1)]).toEqual(["0.00", "<0.01", "0.40", "1.00"]);
  expect([share(-0.2), share(0.5), share(1.7)]).toEqual([0, 0.5, 1]);
});
