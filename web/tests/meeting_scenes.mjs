// Scenes on the page of a meeting; `meeting.mjs` plays one.
import { api, ask, bot, here, inMeeting, make, measure, network, open, PHONE, step, tile, wish } from "./meeting_cast.mjs";

/** A host at a desk, a guest on a phone, a bot: all that people do in a meeting. */
export async function converse() {
  const made = await make("Team Standup", { waitingRoom: true });
  const host = await open("host", `${here(made.url)}#admin=${made.adminToken}`, { speaks: true });
  await host.page.getByRole("button", { name: "Join", exact: true }).waitFor();
  await host.page.locator(".preview__video:not([hidden])").waitFor();
  await host.page.locator(".meter .is-lit").first().waitFor();
  const loudspeakers = host.page.getByLabel("Loudspeaker");
  await loudspeakers.selectOption({ index: 1 });
  const loudspeaker = await loudspeakers.inputValue();
  await host.picture("prejoin");
  if (host.page.url().includes("#")) throw new Error("the host's token stays in the address");
  await inMeeting(host, await ask(host, "Ada Lovelace"));
  step("the host is in");

  const net = await network([wish.url, wish.livekit]);
  const guest = await open("guest", `${wish.url}/join/${made.meetingId}`, { viewport: PHONE, net });
  await guest.page.locator(".preview__video:not([hidden])").waitFor();
  await guest.picture("prejoin");
  await ask(guest, "Grace Hopper");
  await guest.page.getByRole("heading", { name: "Waiting to be let in" }).waitFor();
  await guest.picture("waiting");
  await host.page.getByRole("button", { name: /Participants/ }).click();
  const admit = host.page.getByRole("button", { name: "Admit Grace Hopper" });
  await admit.waitFor();
  await host.picture("admit");
  const admitted = Date.now();
  await admit.click();
  await inMeeting(guest, admitted);
  step("the host lets the guest in from the waiting room");

  await tile(host, "Grace Hopper").locator("video:not([hidden])").waitFor();
  await tile(guest, "Ada Lovelace").locator("video:not([hidden])").waitFor();
  await host.page.waitForFunction((chosen) => document.querySelector("body > audio")?.sinkId === chosen, loudspeaker);
  const robot = await bot(made.meetingId, "Notes");
  await host.page.getByRole("button", { name: "Admit Notes" }).click();
  await robot.until("joined");
  await tile(guest, "Notes").waitFor();
  await guest.picture("meeting-3");
  if (wish.wav) await guest.page.locator('.tile[aria-label^="Ada Lovelace"][data-speaking="true"]').waitFor();
  await guest.picture("speaking");
  step("they see each other, and the bot");

  await host.page.getByRole("button", { name: "Chat", exact: true }).click();
  await host.page.getByLabel("Message").fill("Good morning, everybody");
  await host.page.getByLabel("Message").press("Enter");
  const line = await robot.until("chat:message");
  if (line.name !== "Ada Lovelace" || line.text !== "Good morning, everybody") throw new Error(JSON.stringify(line));
  robot.socket.emit("chat:message", { text: "I take notes at https://example.org/notes." });
  const link = host.page.getByRole("log", { name: "Chat" }).getByRole("link", { name: "https://example.org/notes", exact: true });
  await link.waitFor();
  if ((await link.getAttribute("rel")) !== "noopener noreferrer") throw new Error("the page behind a link would know of the meeting");
  await guest.page.getByRole("button", { name: /^Chat/ }).click();
  await guest.page.getByRole("log", { name: "Chat" }).getByText("Good morning, everybody").waitFor();
  await guest.page.getByLabel("Message").fill("Good morning!");
  await guest.page.getByRole("button", { name: "Send" }).click();
  await host.page.getByRole("log", { name: "Chat" }).getByText("Good morning!").waitFor();
  await robot.until("chat:message", (data) => data.text === "Good morning!");
  await host.picture("chat");
  await guest.picture("chat");
  await guest.page.getByRole("button", { name: "Close the panel" }).click();
  step("chat goes both ways between page, page and bot");

  await guest.page.getByRole("button", { name: "Mute", exact: true }).click();
  await host.page.locator('.tile[aria-label*="Grace Hopper, muted"]').waitFor();
  await robot.until("participant:updated", (data) => data.muted === true);
  await guest.page.getByRole("button", { name: "Raise hand" }).click();
  await host.page.locator('.tile[aria-label*="Grace Hopper, muted, hand raised"]').waitFor();
  await robot.until("hand:raised");
  await guest.page.getByRole("button", { name: "Reactions" }).click();
  // It stands for some seconds only: who looks for it looks before it comes.
  const applause = tile(host, "Grace Hopper").locator(".tile__reaction").waitFor();
  await guest.page.getByRole("button", { name: "Applause" }).click();
  await applause;
  await robot.until("reaction", (data) => data.emoji === "👏");
  await host.picture("meeting-3");
  step("the others see that somebody is muted, raises a hand, applauds");

  await host.page.keyboard.press("Escape");
  await host.page.locator("body").press("m");
  await host.page.getByRole("button", { name: "Unmute" }).waitFor();
  await tile(guest, "Ada Lovelace").and(guest.page.locator('[aria-label*="muted"]')).waitFor();
  await host.page.locator("body").press("m");
  step("keys mute and unmute");

  net.cut();
  await guest.page.getByText("Reconnecting").first().waitFor();
  await guest.picture("reconnecting");
  await robot.until("participant:left");
  net.mend();
  await guest.page.waitForSelector('html[data-line="up"]', { timeout: 60_000 });
  await guest.page.getByRole("button", { name: /^Chat/ }).click();
  await guest.page.getByLabel("Message").fill("I am back.");
  await guest.page.getByRole("button", { name: "Send" }).click();
  await robot.until("chat:message", (data) => data.text === "I am back.");
  await host.page.locator('.tile[aria-label*="Grace Hopper, muted, hand raised"]').waitFor();
  await guest.page.getByRole("button", { name: "Close the panel" }).click();
  step("after a cut of the network the guest is back, as who they were, hand raised");

  await host.page.getByRole("button", { name: "More" }).click();
  await host.page.getByRole("button", { name: "Lock the meeting" }).click();
  await host.page.getByRole("img", { name: "Locked" }).waitFor();
  await host.page.getByRole("button", { name: /^Participants/ }).click();
  await host.page.getByRole("button", { name: "Remove Notes" }).click();
  if ((await robot.until("join-error")).code !== "REMOVED") throw new Error("the bot was not removed");
  await tile(guest, "Notes").waitFor({ state: "detached" });
  await host.page.getByRole("button", { name: "Remove Grace Hopper" }).click();
  await guest.page.getByRole("heading", { name: "You were removed" }).waitFor();
  await guest.picture("ended");
  step("the host locks the meeting and sends away bot and guest");

  await measure(host, guest);
  await host.page.getByRole("button", { name: "More" }).click();
  await host.page.getByRole("button", { name: "End the meeting for all" }).click();
  await host.page.getByRole("heading", { name: "The meeting is over" }).waitFor();
  await host.picture("ended");
  // LiveKit and the socket both told of it; what came second has changed nothing.
  await guest.page.getByRole("heading", { name: "You were removed" }).waitFor();
  step("the host ends the meeting");
  robot.socket.disconnect();
  net.close();
}

/** Shows a picture of its own where a person would choose a window. */
function showSomething() {
  navigator.mediaDevices.getDisplayMedia = async () => {
    const canvas = document.createElement("canvas");
    canvas.width = 1280;
    canvas.height = 720;
    const pen = canvas.getContext("2d");
    setInterval(() => {
      pen.fillStyle = "#20304a";
      pen.fillRect(0, 0, 1280, 720);
      pen.fillStyle = "#ffffff";
      pen.font = "72px sans-serif";
      pen.fillText(`Slide at ${new Date().toISOString().slice(11, 19)}`, 120, 360);
    }, 200);
    return canvas.captureStream(5);
  };
}

/** Somebody without devices, somebody who shows a screen, many who listen. */
export async function present() {
  const made = await make("Design review");
  const host = await open("host", `${here(made.url)}#admin=${made.adminToken}`, { before: showSomething });
  await host.page.locator(".preview__video:not([hidden])").waitFor();
  await inMeeting(host, await ask(host, "Ada Lovelace"));
  const bare = await open("bare", here(made.url), { viewport: PHONE, devices: false });
  await bare.page.getByText("No camera and no microphone were found").waitFor();
  await bare.picture("prejoin-bare");
  await inMeeting(bare, await ask(bare, "Hedy Lamarr"));
  await bare.page.getByRole("button", { name: "Turn camera on" }).waitFor();
  step("who has no devices is told so, and joins without");

  const other = await open("other", here(made.url));
  await other.page.locator(".preview__video:not([hidden])").waitFor();
  await other.page.getByRole("button", { name: "Turn camera off" }).click();
  await other.page.getByText("Your camera is off").waitFor();
  await inMeeting(other, await ask(other, "Katherine Johnson"));
  await tile(bare, "Ada Lovelace").locator("video:not([hidden])").waitFor();
  await host.picture("meeting-3");
  await host.page.getByRole("button", { name: "Present your screen" }).click();
  const screen = bare.page.locator('.tile--screen[aria-label="Ada Lovelace\'s screen"] video:not([hidden])');
  await screen.waitFor();
  await bare.page.waitForFunction(() => document.querySelector(".tile--screen video")?.videoWidth > 0, undefined, { timeout: 60_000 });
  const [large, small] = [await screen.boundingBox(), await tile(bare, "Katherine Johnson").boundingBox()];
  if (large.width * large.height < 4 * small.width * small.height) throw new Error("what is shown is not large");
  await bare.picture("presenting");
  await other.picture("presenting");
  await host.page.getByRole("button", { name: "Stop presenting" }).click();
  await screen.waitFor({ state: "detached" });
  step("what one shows is large on the other's page, and goes again");

  await host.page.getByRole("button", { name: /^Participants/ }).click();
  const told = other.page.getByText("A host has muted you").first().waitFor();
  await host.page.getByRole("button", { name: "Mute Katherine Johnson" }).click();
  await told;
  await other.page.getByRole("button", { name: "Unmute" }).waitFor();
  step("the host mutes somebody, who is told");

  const robots = [];
  for (const name of ["Bea", "Carl"]) robots.push(await bot(made.meetingId, name));
  await tile(host, "Carl").waitFor();
  await host.picture("meeting-5");
  await bare.picture("meeting-5");
  for (const name of ["Dora", "Emil", "Fay", "Gus", "Ivy", "Jon", "Kim"]) robots.push(await bot(made.meetingId, name));
  await other.page.getByText("1 of 2").waitFor();
  await other.page.locator(".tile").nth(8).waitFor();
  await other.page.getByRole("button", { name: "Next page" }).click();
  await other.page.waitForFunction(() => document.querySelectorAll(".tile").length === 3);
  await other.page.getByRole("button", { name: "Previous page" }).click();
  await other.picture("meeting-12");
  step("pages of nine, and those who come late on the second");

  await measure(host, bare, other);
  await bare.page.getByRole("button", { name: "Leave" }).click();
  await bare.page.getByRole("heading", { name: "You left the meeting" }).waitFor();
  await bare.picture("left");
  const listed = host.page.locator(".people__list").getByText("Hedy Lamarr");
  await listed.waitFor({ state: "detached" });
  await bare.page.getByRole("button", { name: "Join again" }).click();
  await inMeeting(bare, await ask(bare, "Hedy Lamarr"));
  await listed.waitFor();
  step("who leaves may come again");
  for (const robot of robots) robot.socket.disconnect();
}

/** An end user, from the page of a scenario to the end of the meeting. */
export async function scenario() {
  const persona = { name: "Nora", instructions: "You are a pharmacist.", greeting: "Good morning, this is the pharmacy." };
  const made = await api("POST", "/scenarios", { name: "At the pharmacy", persona });
  const controls = { enable_transcription: true };
  const first = await api("POST", "/meetings/dynamic", { scenario_id: made.scenario.id, first_name: "Ada", email: "ada@example.org", ...controls });
  const [, query] = first.scenario_url.split("?");
  await api("PATCH", `/scenarios/${made.scenario.id}`, { controls });
  const ada = await open("ada", `${wish.url}/s/${made.scenario.id}?${query}`);
  await ada.page.getByRole("heading", { name: "At the pharmacy" }).waitFor();
  await ada.picture("scenario");
  await ada.page.getByRole("button", { name: "Begin a meeting" }).click();
  await ada.page.waitForURL(/\/join\//);
  await ada.page.getByRole("button", { name: "Join", exact: true }).waitFor();
  if ((await ada.page.getByLabel("Your name").inputValue()) !== "Ada") throw new Error("who it is comes with the link");
  await ada.picture("prejoin-scenario");
  step("the scenario's page begins a meeting");

  await inMeeting(ada, await ask(ada));
  await ada.page.getByRole("button", { name: "Mute", exact: true }).waitFor();
  for (const name of ["Turn camera on", "Present your screen", /^Chat/]) {
    if (await ada.page.getByRole("button", { name }).isVisible()) throw new Error(`${name} is there`);
  }
  step("only what the meeting allows is there");

  await tile(ada, "Nora").waitFor({ timeout: 60_000 });
  await ada.page.locator(".caption", { hasText: "pharmacy" }).waitFor({ timeout: 60_000 });
  await ada.picture("captions");
  step("the persona comes, and what it says is shown");
  await ada.page.getByText("This meeting is recorded").waitFor({ timeout: 60_000 });
  step("the light of the recording is on");
  await measure(ada);

  const [, code] = new URL(ada.page.url()).pathname.split("/join/");
  const { meetings } = await api("GET", `/meetings?scenario_id=${made.scenario.id}`);
  await api("POST", `/meetings/${meetings.find((each) => each.code === code).id}/end`);
  await ada.page.getByRole("heading", { name: "The meeting is over" }).waitFor();
  step("the meeting is over for the page when the API ends it");

  const eve = await open("eve", `${wish.url}/s/${made.scenario.id}?end_user_id=1&membership_id=999999`, { faulty: true });
  await eve.page.getByRole("heading", { name: "This link does not work" }).waitFor();
  await eve.picture("scenario-wrong");
  step("a link that does not fit together is refused");
}
