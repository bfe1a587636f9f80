/** Which rows of a long list are in sight. */

export interface Sight {
  /** Pixels scrolled, and of the window. */
  readonly top: number;
  readonly height: number;
  readonly rowHeight: number;
  readonly total: number;
  /** Rows kept above and below. */
  readonly around: number;
}

/** The first row to draw, and the one after the last. */
export function rowsInSight({ top, height, rowHeight, total, around }: Sight): [number, number] {
  const first = Math.min(total, Math.max(0, Math.floor(top / rowHeight) - around));
  const last = Math.min(total, Math.ceil((top + height) / rowHeight) + around);
  return [first, Math.max(first, last)];
}
