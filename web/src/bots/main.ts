import { reloadWhenBack } from "../console/shell";
import { BotsPage } from "./page";

const root = document.querySelector<HTMLElement>("#page");
if (root === null) throw new Error("bots.html has no #page");
reloadWhenBack();
void new BotsPage(root).start();
