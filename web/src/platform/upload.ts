/** A file on its way to the server, with how far it is. `fetch` does not tell that. */

import { ApiError, refusal, Unreachable } from "./api";
import { credentials } from "./client";

/** A large document may be read for two minutes before there is an answer. */
const ANSWER_WITHIN_MS = 180_000;

export interface Uploaded {
  status: number;
  answer: unknown;
}

/** Sends a form with one file; `sent` hears the share that has left, 0 to 1. Throws as `ask` does. */
export function upload(path: string, file: File, sent: (share: number) => void, signal: AbortSignal): Promise<Uploaded> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = (): void => request.abort();
    request.open("POST", `/api/v1${path}`);
    for (const [name, value] of Object.entries(credentials())) request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) sent(event.loaded / event.total);
    });
    request.upload.addEventListener("load", () => {
      sent(1);
      request.timeout = ANSWER_WITHIN_MS + performance.now() - begun;
    });
    const begun = performance.now();
    const lost = (): void => reject(new Unreachable(`no answer from ${path}`));
    request.addEventListener("error", lost);
    request.addEventListener("timeout", lost);
    request.addEventListener("abort", () => reject(new DOMException("ended", "AbortError")));
    request.addEventListener("load", () => {
      const { status, response } = request as { status: number; response: unknown };
      if (status >= 200 && status < 300) resolve({ status, answer: response });
      else reject(refused(request, response));
    });
    request.addEventListener("loadend", () => signal.removeEventListener("abort", stop));
    if (signal.aborted) {
      reject(new DOMException("ended", "AbortError"));
      return;
    }
    signal.addEventListener("abort", stop);
    const form = new FormData();
    form.append("file", file, file.name);
    request.send(form);
  });
}

function refused(request: XMLHttpRequest, answer: unknown): ApiError {
  const headers = new Headers();
  const after = request.getResponseHeader("Retry-After");
  if (after !== null) headers.set("Retry-After", after);
  return refusal({ status: request.status, headers }, answer);
}
