/** Where tiles stand on the stage. Pure geometry. */

export interface Area {
  readonly width: number;
  readonly height: number;
}

export interface Place {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export const PER_PAGE = 9;
const GAP = 8;
/** Width by height: a tile is never flatter, nor narrower than its screen makes natural. */
const FLATTEST = 16 / 9;
const NARROWEST = { wide: 4 / 3, tall: 3 / 4 };

/** Tiles of one size that fill an area best; the last row stands in the middle. */
export function arrange(count: number, area: Area): Place[] {
  if (count === 0 || area.width <= 0 || area.height <= 0) return [];
  const narrowest = area.width > area.height ? NARROWEST.wide : NARROWEST.tall;
  let best = { width: 0, height: 0, columns: 1 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const cell = { width: (area.width - GAP * (columns - 1)) / columns, height: (area.height - GAP * (rows - 1)) / rows };
    const width = Math.min(cell.width, cell.height * FLATTEST);
    const height = Math.min(cell.height, cell.width / narrowest);
    if (width * height > best.width * best.height) best = { width, height, columns };
  }
  const { width, height, columns } = best;
  const rows = Math.ceil(count / columns);
  const top = (area.height - rows * height - (rows - 1) * GAP) / 2;
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = row === rows - 1 ? count - row * columns : columns;
    const left = (area.width - inRow * width - (inRow - 1) * GAP) / 2;
    const at = { x: left + (index % columns) * (width + GAP), y: top + row * (height + GAP) };
    return { x: Math.round(at.x), y: Math.round(at.y), width: Math.floor(width), height: Math.floor(height) };
  });
}

/** The first place is that of what is shown, large; the others stand in a strip beside or below it. */
export function arrangePresentation(others: number, area: Area): Place[] {
  if (others === 0) return [{ x: 0, y: 0, width: area.width, height: area.height }];
  const wide = area.width > area.height;
  const strip = wide ? Math.min(220, area.width / 4) : Math.min(132, area.height / 4);
  const large = wide
    ? { x: 0, y: 0, width: Math.floor(area.width - strip - GAP), height: Math.floor(area.height) }
    : { x: 0, y: 0, width: Math.floor(area.width), height: Math.floor(area.height - strip - GAP) };
  const along = wide ? area.height : area.width;
  const length = Math.min(wide ? strip / FLATTEST : strip * 1.2, (along - GAP * (others - 1)) / others);
  const from = (along - others * length - (others - 1) * GAP) / 2;
  const places = Array.from({ length: others }, (_, index) => {
    const at = Math.round(from + index * (length + GAP));
    return wide
      ? { x: large.width + GAP, y: at, width: Math.floor(strip), height: Math.floor(length) }
      : { x: at, y: large.height + GAP, width: Math.floor(length), height: Math.floor(strip) };
  });
  return [large, ...places];
}

/** How many tiles a strip holds before they become too small. */
export function stripHolds(area: Area): number {
  const along = area.width > area.height ? area.height : area.width;
  return Math.max(1, Math.min(PER_PAGE, Math.floor(along / 96)));
}

/**
 * Who stands on the first page: those who are there, in their order; whoever speaks and would stand on a later page takes
 * the place of the one who has been silent there for longest. Oneself keeps the first place.
 */
export function order(ids: readonly string[], spokeAt: ReadonlyMap<string, number>, perPage: number): string[] {
  if (ids.length <= perPage) return [...ids];
  const first = ids.slice(0, perPage);
  const rest = ids.slice(perPage).sort((one, other) => (spokeAt.get(other) ?? 0) - (spokeAt.get(one) ?? 0));
  for (const [index, speaker] of rest.entries()) {
    const spoke = spokeAt.get(speaker) ?? 0;
    if (spoke === 0) break;
    let quietest = -1;
    for (let place = 1; place < first.length; place++) {
      if (quietest < 0 || (spokeAt.get(first[place] ?? "") ?? 0) <= (spokeAt.get(first[quietest] ?? "") ?? 0)) quietest = place;
    }
    if (quietest < 0 || (spokeAt.get(first[quietest] ?? "") ?? 0) >= spoke) break;
    const silent = first[quietest] ?? "";
    first[quietest] = speaker;
    rest[index] = silent;
  }
  const later = new Set(rest);
  return [...first, ...ids.filter((id) => later.has(id))];
}
