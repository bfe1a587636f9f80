declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  interface TriedRequest {
    url: string;
    headers: Record<string, string>;
  }
  export default function SwaggerUI(options: {
    url: string;
    domNode: HTMLElement;
    requestInterceptor: (request: TriedRequest) => TriedRequest;
    [option: string]: unknown;
  }): unknown;
}
