/** `/embed.mjs`: the same as a module. */

import { call as begin, type CallOptions, type ParleyCall } from "./client";
import { type ButtonOptions, ParleyButton } from "./widget";

const server = new URL(import.meta.url).origin;

export function call(options: CallOptions): ParleyCall {
  return begin(options, server);
}

export function button(options: ButtonOptions): ParleyButton {
  return new ParleyButton(options, new URL(options.server ?? server).origin);
}

export { ParleyError } from "./problems";
