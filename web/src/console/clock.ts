/** Doing things later: again and again, or when somebody has stopped typing. */

/** While somebody types, one question is enough. */
const STILL_MS = 250;

/**
 * Does something so many milliseconds after it was done last, while the page is looked at and until `signal` ends or
 * it answers false.
 */
export function every(ms: number, signal: AbortSignal, act: () => Promise<unknown>): void {
  let clock: ReturnType<typeof setTimeout> | undefined;
  const again = async (): Promise<void> => {
    let isEnough = false;
    try {
      isEnough = !document.hidden && (await act()) === false;
    } finally {
      if (!isEnough) later();
    }
  };
  const later = (): void => {
    if (!signal.aborted) clock = setTimeout(() => void again(), ms);
  };
  signal.addEventListener("abort", () => clearTimeout(clock), { once: true });
  later();
}

/** Does something once somebody has stopped typing in a field. */
export function whenStill(input: HTMLElement, act: () => void): void {
  let clock: ReturnType<typeof setTimeout> | undefined;
  input.addEventListener("input", () => {
    clearTimeout(clock);
    clock = setTimeout(() => {
      if (input.isConnected) act(); // not on a page that was left meanwhile
    }, STILL_MS);
  });
}
