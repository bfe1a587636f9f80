/** Figures in words, and days as the reader has them. */

/** How a figure compares with what it was. */
export function change(now: number, before: number, show: (value: number) => string, when = "yesterday by this time"): string {
  if (before === 0) return now === 0 ? `As ${when}: none` : `None ${when}`;
  const part = Math.round(((now - before) / before) * 100);
  const than = `${show(before)} ${when}`;
  if (part === 0) return `The same as ${when}`;
  if (part > 999) return than;
  return `${part > 0 ? "▲" : "▼"} ${Math.abs(part)} % · ${than}`;
}

/** The reader's zone by its IANA name. */
export function zoneOfReader(): string {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  return timeZone === undefined || timeZone === "Etc/Unknown" ? "UTC" : timeZone;
}

/** A day of the reader's calendar, so many days before a moment, as `2026-03-31`. */
export function dayBefore(moment: Date, days: number): string {
  const day = new Date(moment.getFullYear(), moment.getMonth(), moment.getDate() - days);
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}
