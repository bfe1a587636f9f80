/** The first lines of code against this server. */

export function createSnippet(host: string, key: string): string {
  return `curl -X POST ${host}/api/meetings \\
  -H "Content-Type: application/json" \\
  -H "x-api-key: ${key}" \\
  -d '{"title": "My Meeting"}'`;
}

export function listSnippet(host: string, key: string): string {
  return `curl ${host}/api/meetings \\
  -H "x-api-key: ${key}"`;
}

export function botSnippet(host: string, key: string): string {
  return `import { io } from "socket.io-client";

const res = await fetch("${host}/api/meetings", {
  method: "POST",
  headers: { "Content-Type": "application/json", "x-api-key": "${key}" },
  body: JSON.stringify({ title: "Bot Meeting" })
});
const { meetingId, adminToken } = await res.json();

const socket = io("${host}");
socket.emit("join-meeting", { meetingId, name: "My AI Bot", isAdmin: true, adminToken });
socket.on("joined", ({ participantId, participants }) => {
  console.log("Joined as", participantId);
});
socket.on("chat:message", ({ name, text }) => {
  console.log(\`\${name}: \${text}\`);
});
socket.emit("chat:message", { text: "Hello from the bot!" });`;
}
