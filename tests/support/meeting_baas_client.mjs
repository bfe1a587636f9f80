// The official client package, driven line by line: {"call": "joinMeeting", "args": [...]} in, its answer out; of
// {"call": "methods"} the names of all that there are.
import { createInterface } from "node:readline";

const [module, base_url] = process.argv.slice(2);
const { createBaasClient } = await import(module);
const client = createBaasClient({ api_key: process.env.MEETING_BAAS_API_KEY, base_url, timeout: 30_000 });

for await (const line of createInterface({ input: process.stdin })) {
  const { call, args } = JSON.parse(line);
  if (call === "methods") {
    console.log(JSON.stringify({ value: Object.keys(client) }));
    continue;
  }
  const { success, data, error } = await client[call](...args);
  const status = error?.response?.status;
  console.log(JSON.stringify(success ? { value: data ?? null } : { error: error.name, status, message: error.message }));
}
