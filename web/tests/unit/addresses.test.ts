import { expect, test } from "vitest";
import { hostPage, meetingPage, nextPage } from "../../src/console/addresses";

const HERE = "https://parley.example.org";

test.each([
  ["?next=/account", `${HERE}/account`],
  ["?next=/account%23keys", `${HERE}/account#keys`],
  [`?next=${encodeURIComponent(`${HERE}/docs`)}`, `${HERE}/docs`],
  // One that begins with two slashes stays a path of this server where it is this server's whole address.
  ["?next=/.//evil.example/", `${HERE}//evil.example/`],
])("%s leads on here", (search, page) => {
  expect(nextPage(search, HERE, "/")).toBe(page);
});

test.each([
  "",
  "?next=https://evil.example/",
  "?next=//evil.example/",
  "?next=/%5Cevil.example/",
  "?next=%5C%5Cevil.example/",
  "?next=/%09/evil.example/",
  "?next=javascript:alert(1)",
  "?next=data:text/html,x",
  "?next=http://parley.example.org/",
  "?next=https://parley.example.org@evil.example/",
  "?next=https://parley.example.org.evil.example/",
  "?next=http://[",
])("%s leads to no other server", (search) => {
  expect(nextPage(search, HERE, "/")).toBe("/");
});

test.each([
  ["abcd-efgh-jkmn", "/join/abcd-efgh-jkmn"],
  ["  abcd-efgh-jkmn ", "/join/abcd-efgh-jkmn"],
  [`${HERE}/join/abcd-efgh-jkmn`, "/join/abcd-efgh-jkmn"],
  [`${HERE}/join/abcd-efgh-jkmn/`, "/join/abcd-efgh-jkmn"],
  [`${HERE}/join/abcd?end_user_id=1#token=ey.x`, "/join/abcd?end_user_id=1#token=ey.x"],
  ["/join/abcd", "/join/abcd"],
  ["parley.example.org/join/abcd", "/join/abcd"],
])("%s is a meeting", (given, page) => {
  expect(meetingPage(given, HERE)).toBe(page);
});

test.each(["", "a", "two words", "https://evil.example/join/abcd", `${HERE}/account`, `${HERE}/join/a%2Fb`, "//", "../account"])(
  "%s is none",
  (given) => {
    expect(meetingPage(given, HERE)).toBeNull();
  },
);

test("the host's token is in the fragment", () => {
  expect(hostPage("abcd", "adm_x-_y")).toBe("/join/abcd#admin=adm_x-_y");
});
