/** What Swagger UI leaves without a name, or out of the keyboard's reach: put right as it draws. */

const NAMES: readonly (readonly [selector: string, name: string])[] = [
  ["#servers", "Server"],
  [".examples-select-element", "Example"],
  [".body-param__text", "Body of the request"],
];
const UNNAMED = ":is(select, input, textarea):not([aria-label], [id], [type=checkbox])";

export function putRight(root: HTMLElement): void {
  let isAsked = false;
  new MutationObserver(() => {
    if (isAsked) return;
    isAsked = true;
    requestAnimationFrame(() => {
      isAsked = false;
      nameAll(root);
    });
  }).observe(root, { subtree: true, childList: true });
}

function nameAll(root: HTMLElement): void {
  for (const [selector, name] of NAMES) {
    for (const each of root.querySelectorAll(`${selector}:not([aria-label])`)) each.setAttribute("aria-label", name);
  }
  for (const row of root.querySelectorAll<HTMLElement>("tr[data-param-name]")) {
    for (const each of row.querySelectorAll(UNNAMED)) each.setAttribute("aria-label", row.dataset["paramName"] ?? "");
  }
  // What is wider or longer than its box is scrolled by the keyboard, too.
  for (const code of root.querySelectorAll(":is(.microlight, .curl, .example, .renderedMarkdown > table):not([tabindex])")) code.setAttribute("tabindex", "0");
}

interface DeepLink {
  readonly enabled: boolean;
  readonly path: string;
}

interface System {
  readonly React: { createElement(kind: unknown, props: object): unknown };
}

/** The name of an operation stands in the button that opens it: no link of its own in there. The address tells it all the same. */
export const noLinksInButtons = () => ({
  wrapComponents: {
    DeepLink: (Original: unknown, { React }: System) => (props: DeepLink) =>
      React.createElement(Original, { ...props, enabled: props.enabled && !props.path.includes("/") }),
  },
});
