import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { ParleyButton } from "./ParleyButton";

const server = import.meta.env.VITE_PARLEY_SERVER ?? "http://127.0.0.1:8000";
const agent = import.meta.env.VITE_PARLEY_AGENT ?? "ek_…";

function Shop() {
  const [lines, setLines] = useState<Record<string, string>>({});
  return (
    <main>
      <h1>Repaired kettles</h1>
      <ParleyButton
        agent={agent}
        server={server}
        label="Ask about a kettle"
        variables={{ page: "kettles" }}
        onTranscript={({ id, speaker, text }) => setLines((known) => ({ ...known, [id]: `${speaker}: ${text}` }))}
      />
      <ol>
        {Object.entries(lines).map(([id, line]) => (
          <li key={id}>{line}</li>
        ))}
      </ol>
    </main>
  );
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <Shop />
  </StrictMode>,
);
