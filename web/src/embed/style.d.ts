/** The design's tokens and the button's own rules as one sheet; `embed_build.ts` writes it. */
declare module "virtual:embed-style" {
  const css: string;
  export default css;
}
