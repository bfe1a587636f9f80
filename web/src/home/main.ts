import { reloadWhenBack } from "../console/masthead";
import { HomePage } from "./page";

const root = document.querySelector<HTMLElement>("#page");
if (root === null) throw new Error("home.html has no #page");
reloadWhenBack();
void new HomePage(root).start();
