import { element } from "../dom/element";
import { readAddress, takeCredentials } from "./address";
import { notice } from "./notice";
import { MeetingPage } from "./page";
import { ScenarioPage } from "./scenario";

const root = document.querySelector<HTMLElement>("#page");
if (root === null) throw new Error("meeting.html has no #page");

root.append(element("header", { class: "masthead" }, element("span", { class: "mark", "aria-hidden": "true" }), "Parley"));
const wish = takeCredentials(readAddress(location.pathname, location.search, location.hash));
// A link with another token that is pasted into this tab is another visit.
addEventListener("hashchange", () => location.reload());
switch (wish.kind) {
  case "meeting":
    void new MeetingPage(root, wish).start();
    break;
  case "scenario":
    void new ScenarioPage(root, `/api/v1/join/scenarios/${encodeURIComponent(wish.scenario)}${wish.query}`).start();
    break;
  case "nothing":
    root.append(notice("There is no such meeting", "Check the address: it ends in the meeting's id.", []));
}
