import { expect, it } from "vitest";
import { movedTo } from "../../src/app/moved";

it("leads from the former page of the account to where its parts are", () => {
  expect(movedTo("/account", "")).toBe("/console/settings");
  expect(movedTo("/account/", "#webhooks")).toBe("/console/webhooks");
  expect(movedTo("/account", "#transactions")).toBe("/console/usage#transactions");
});

it("keeps the key that an address brings", () => {
  expect(movedTo("/account", "#key=pk_1")).toBe("/console/settings#key=pk_1");
});

it("leaves other pages where they are", () => {
  expect(movedTo("/console/keys", "#keys")).toBeNull();
});
