import { MonitorPage } from "./page";

const root = document.querySelector<HTMLElement>("#page");
if (root === null) throw new Error("monitor.html has no #page");
void new MonitorPage(root).start();
