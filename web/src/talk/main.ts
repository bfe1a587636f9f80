import { element } from "../dom/element";
import { readAddress } from "./address";
import { TalkPage } from "./page";

const wishes = readAddress(location.search, document.referrer);
const root = document.querySelector<HTMLElement>("#page");
if (root === null) throw new Error("talk.html has no #page");

document.documentElement.classList.toggle("is-embedded", wishes.embedded);
if (wishes.theme !== null) document.documentElement.dataset["theme"] = wishes.theme;
if (!wishes.embedded) {
  root.append(element("header", { class: "masthead" }, element("span", { class: "mark", "aria-hidden": "true" }), "Parley"));
}
void new TalkPage(root, wishes).start();
