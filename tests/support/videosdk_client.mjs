// The official client package, driven line by line: {"call": "rooms.create", "args": [...]} in, its answer out.
import { createInterface } from "node:readline";

const [module, apiEndpoint] = process.argv.slice(2);
const { VideoSDK } = await import(module);
const client = new VideoSDK({ apiEndpoint, maxRetries: 0 });

for await (const line of createInterface({ input: process.stdin })) {
  const { call, args } = JSON.parse(line);
  const names = call.split(".");
  const method = names.pop();
  let answer;
  try {
    const target = names.reduce((part, name) => part[name], client);
    let value = await target[method](...args);
    if (value?.[Symbol.asyncIterator]) {
      const every = [];
      for await (const item of value) every.push(item);
      value = every;
    }
    answer = { value: value ?? null };
  } catch (error) {
    answer = { error: error.name, status: error.httpStatus, message: error.message };
  }
  console.log(JSON.stringify(answer));
}
