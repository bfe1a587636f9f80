/** What the plan allows, and how much of it is taken. */

import { sectionRoot } from "../console/section";
import { Problem, wordsFor } from "../console/problem";
import { count, sentence } from "../console/words";
import { element } from "../dom/element";
import { quotas } from "../platform/figures";
import { meter } from "./meter";

const NAMES: Record<string, string> = {
  agents: "Agents",
  knowledge_bases: "Knowledge bases",
  rooms: "Open rooms",
  sessions: "Conversations at once",
  recordings: "Recordings at once",
  sip_calls: "Phone calls at once",
  sip_configs: "Numbers",
  team_members: "Members",
  webhook_configs: "Webhooks",
};

export class QuotaSection {
  readonly root: HTMLElement;
  private readonly problem = new Problem();
  private readonly plan = element("p", { class: "section__hint" });
  private readonly meters = element("div", { class: "meters" });

  constructor() {
    this.root = sectionRoot("plan", "Plan", this.problem.root, this.plan, this.meters);
  }

  async start(signal: AbortSignal): Promise<void> {
    try {
      const { plan, quotas: all } = await quotas(signal);
      this.plan.textContent = `Your account is on the plan ${plan}.`;
      this.meters.replaceChildren(
        ...all.map(({ name, used, limit }) =>
          meter({
            label: NAMES[name] ?? sentence(name),
            words: limit === null ? `${count(used)}, unlimited` : `${count(used)} of ${count(limit)}`,
            used,
            limit,
          }),
        ),
      );
    } catch (error) {
      if (!signal.aborted) this.problem.tell(wordsFor(error));
    }
  }
}
