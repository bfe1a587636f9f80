import { reloadWhenBack } from "../console/shell";
import { AccountPage } from "./page";

const root = document.querySelector<HTMLElement>("#page");
if (root === null) throw new Error("account.html has no #page");
reloadWhenBack();
void new AccountPage(root).start();
