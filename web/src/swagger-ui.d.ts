/** What this page uses of Swagger UI, which comes without types. */
declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  interface Options {
    spec: object;
    domNode: Element;
    presets: readonly unknown[];
    layout: "BaseLayout";
    deepLinking: boolean;
    defaultModelsExpandDepth: number;
    displayRequestDuration: boolean;
    showMutatedRequest: boolean;
    tryItOutEnabled: boolean;
    validatorUrl: null;
  }
  function SwaggerUIBundle(options: Options): unknown;
  namespace SwaggerUIBundle {
    const presets: { readonly apis: unknown };
  }
  export default SwaggerUIBundle;
}
