/** Keys of a meeting: each presses the button that names it, so that what is not there cannot be pressed. */

export interface KeyActions {
  areHeard(): boolean;
  escape(): void;
  openReactions(): void;
}

export function listenForKeys(root: HTMLElement, actions: KeyActions): void {
  document.addEventListener("keydown", (event) => {
    if (!actions.areHeard() || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.key === "Escape") {
      // What lies above the panel is closed by the browser, and alone.
      if (document.querySelector("dialog[open], :popover-open") === null) actions.escape();
      return;
    }
    if (event.target instanceof HTMLElement && event.target.closest("input, textarea, select, dialog") !== null) return;
    const key = event.key.toUpperCase();
    if (!/^[A-Z]$/.test(key)) return;
    const button = root.querySelector<HTMLButtonElement>(`.bar [aria-keyshortcuts="${key}"]`);
    if (button === null || button.hidden) return;
    event.preventDefault();
    if (key === "R") actions.openReactions();
    else button.click();
  });
}
