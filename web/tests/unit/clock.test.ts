import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { every, whenStill } from "../../src/console/clock";

const page = { hidden: false };

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("document", page);
  page.hidden = false;
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it("does something again after it is done, until the page is left", async () => {
  const leaving = new AbortController();
  const act = vi.fn(async () => new Promise((resolve) => setTimeout(resolve, 500)));
  every(1_000, leaving.signal, act);
  await vi.advanceTimersByTimeAsync(1_400);
  expect(act).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1_100);
  expect(act).toHaveBeenCalledTimes(2);
  leaving.abort();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(act).toHaveBeenCalledTimes(2);
});

it("begins nothing on a page that was left before", async () => {
  const act = vi.fn(async () => undefined);
  every(1_000, AbortSignal.abort(), act);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(act).not.toHaveBeenCalled();
});

it("rests while nobody looks, and ends when it is enough", async () => {
  const act = vi.fn(async () => act.mock.calls.length < 2);
  every(1_000, new AbortController().signal, act);
  page.hidden = true;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(act).not.toHaveBeenCalled();
  page.hidden = false;
  await vi.advanceTimersByTimeAsync(10_000);
  expect(act).toHaveBeenCalledTimes(2);
});

it("waits until somebody has stopped typing, and does nothing on a page that was left", async () => {
  const input = Object.assign(new EventTarget(), { isConnected: true });
  const act = vi.fn();
  whenStill(input as unknown as HTMLElement, act);
  for (let key = 0; key < 5; key += 1) {
    input.dispatchEvent(new Event("input"));
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(act).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(300);
  expect(act).toHaveBeenCalledTimes(1);
  input.dispatchEvent(new Event("input"));
  input.isConnected = false;
  await vi.advanceTimersByTimeAsync(1_000);
  expect(act).toHaveBeenCalledTimes(1);
});
