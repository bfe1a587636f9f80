/** Whom somebody means, from what was typed. Pure. */

import { Refused } from "../console/problem";
import type { Person, Request } from "../platform/privacy";

export interface Typed {
  readonly phone: string;
  readonly email: string;
  readonly identity: string;
  readonly endUser: string;
}

/** Throws `Refused` where nobody is named. */
export function personOf({ phone, email, identity, endUser }: Typed): Person {
  const person: Person = {};
  if (phone.trim() !== "") person.phone_number = ungrouped(phone);
  if (email.trim() !== "") person.email = email.trim();
  if (identity.trim() !== "") person.identity = identity.trim();
  if (endUser.trim() !== "") {
    if (!/^\d{1,15}$/.test(endUser.trim())) throw new Refused("An end user’s id is a number, as GET /end-users lists it.");
    person.end_user_id = Number(endUser.trim());
  }
  if (Object.keys(person).length === 0) throw new Refused("Say whom it is about: fill in at least one of the four.");
  return person;
}

/** The name of theirs that is typed to confirm what cannot be undone. */
export function nameOf(person: Person): string {
  return person.phone_number ?? person.email ?? person.identity ?? String(person.end_user_id ?? "");
}

/** Whether somebody was typed as they are named; a number in any grouping. */
export function isNamed(typed: string, name: string): boolean {
  return typed.trim() === name || (name.startsWith("+") && ungrouped(typed) === name);
}

/** The newest of several lists that each begin with their newest. */
export function newest(lists: readonly (readonly Request[])[], most: number): Request[] {
  return lists
    .flat()
    .sort((a, b) => b.id - a.id)
    .slice(0, most);
}

function ungrouped(phone: string): string {
  return phone.replace(/[\s()./-]/g, "");
}
