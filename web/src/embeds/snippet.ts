/** What an owner of a site copies into it. Pure. */

/** A script as HTML; nothing in it can end the attribute it stands in. */
export function scriptSnippet(server: string, key: string): string {
  return `<script src="${quoted(server)}/embed.js" data-agent="${quoted(key)}" async></script>`;
}

/** What the site's Content-Security-Policy must allow, where it has one. */
export function policyWords(server: string): string {
  return `script-src ${server}; connect-src ${server} wss://YOUR-LIVEKIT-HOST https://YOUR-LIVEKIT-HOST`;
}

/** The origins that somebody wrote, one a line or with commas; addresses of pages become their origins. */
export function originsOf(written: string): string[] {
  const given = written.split(/[\s,]+/).filter((part) => part !== "");
  return [...new Set(given.map((part) => (URL.canParse(part) && /^https?:/i.test(part) ? new URL(part).origin : part)))];
}

function quoted(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}
