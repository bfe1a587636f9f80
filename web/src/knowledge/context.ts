/** What the tabs of a base share. */

import type { Base } from "../platform/knowledge";

export interface BaseContext {
  readonly id: number;
  /** The base as it was read last. */
  readonly base: () => Base | null;
  /** Reads the base anew, after a change. */
  readonly reread: () => Promise<void>;
  /** Opens a tab, by its id. */
  readonly openTab: (id: string) => void;
}
