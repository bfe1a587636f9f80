import { useEffect, useRef } from "react";
import { type ButtonOptions, loadParley } from "./parley";

export interface ParleyButtonProps extends Omit<ButtonOptions, "key" | "target"> {
  /** The public key, `ek_…`. */
  agent: string;
  /** Origin of the Parley server. */
  server: string;
  onState?: (detail: { state: string; agent: string | null; recorded: boolean }) => void;
  onTranscript?: (line: { id: string; speaker: "agent" | "visitor"; text: string; final: boolean }) => void;
  onEnded?: (detail: { reason: string; seconds: number }) => void;
  onError?: (problem: { code: string; title: string; mend: string; retryAfter: number | null }) => void;
}

/** A call button where it stands. It leaves the page, and ends its call, with the component. */
export function ParleyButton({ agent, server, onState, onTranscript, onEnded, onError, ...options }: ParleyButtonProps) {
  const place = useRef<HTMLSpanElement>(null);
  const listeners = useRef({ onState, onTranscript, onEnded, onError });
  useEffect(() => {
    listeners.current = { onState, onTranscript, onEnded, onError };
  });
  const wanted = JSON.stringify(options); // an object written in the parent is a new one at each render

  useEffect(() => {
    const target = place.current;
    if (target === null) return;
    let gone = false;
    let remove = (): void => undefined;
    const hear = (event: Event): void => {
      const { detail } = event as CustomEvent;
      const { onState, onTranscript, onEnded, onError } = listeners.current;
      if (event.type === "parley:state") onState?.(detail);
      else if (event.type === "parley:transcript") onTranscript?.(detail);
      else if (event.type === "parley:ended") onEnded?.(detail);
      else onError?.(detail);
    };
    const names = ["parley:state", "parley:transcript", "parley:ended", "parley:error"];
    for (const name of names) target.addEventListener(name, hear);
    loadParley(server)
      .then((parley) => {
        if (gone) return; // the component left while the script was loading
        const button = parley.button({ position: "inline", ...(JSON.parse(wanted) as Partial<ButtonOptions>), key: agent, target });
        remove = () => button.remove();
      })
      .catch((error: unknown) => console.error(error));
    return () => {
      gone = true;
      remove();
      for (const name of names) target.removeEventListener(name, hear);
    };
  }, [agent, server, wanted]);

  return <span ref={place} />;
}
