/** What a button loads with the first click: the call, and LiveKit with it. */
export { Call } from "../call/call";
