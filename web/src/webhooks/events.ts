/** The events that webhooks carry. A test of the control plane holds both lists to its catalogue. */

/** Sent to an endpoint that names none. */
export const USUAL = [
  "room.started",
  "room.finished",
  "participant.joined",
  "participant.left",
  "track.published",
  "track.unpublished",
  "session.started",
  "session.ended",
  "recording.started",
  "recording.stopped",
  "egress.started",
  "egress.ended",
  "sip.call_initiated",
  "sip.inbound_call",
  "knowledge.document_uploaded",
  "knowledge.reindexed",
  "test",
] as const;

/** Sent only to endpoints that name them. */
export const NAMED = [
  "session.failed",
  "supervision.changed",
  "analysis.ready",
  "meeting.started",
  "meeting.ending",
  "meeting.ended",
  "meeting.waiting",
  "meeting.waiting_left",
  "meeting.chat",
  "call.status",
  "bot.status_change",
  "bot.completed",
  "bot.failed",
  "bot.transcribed",
  "calendar.sync_events",
  "calendar.revoked",
  "recording.announced",
  "recording.starting",
  "recording.stopping",
  "recording.failed",
  "stream.starting",
  "stream.started",
  "stream.playable",
  "stream.stopping",
  "stream.stopped",
  "stream.failed",
  "transcription.completed",
  "budget.warning",
  "budget.exceeded",
  "webhook.disabled",
] as const;

const AREAS: Record<string, string> = {
  room: "Rooms",
  participant: "Rooms",
  track: "Rooms",
  session: "Sessions",
  analysis: "Sessions",
  supervision: "Sessions",
  meeting: "Meetings",
  sip: "Phone",
  call: "Phone",
  bot: "Bots",
  calendar: "Bots",
  recording: "Recordings",
  egress: "Recordings",
  stream: "Recordings",
  transcription: "Recordings",
  knowledge: "Knowledge",
};

/** All events by what they are about, in the order of a conversation. */
export function byArea(): [string, string[]][] {
  const groups = new Map<string, string[]>();
  for (const name of [...USUAL, ...NAMED]) {
    const area = AREAS[name.split(".")[0] ?? ""] ?? "Platform";
    groups.set(area, [...(groups.get(area) ?? []), name]);
  }
  return [...groups].sort(([a], [b]) => Number(a === "Platform") - Number(b === "Platform"));
}
