/**
 * The page at /docs: every operation of openapi.json, and a way to try it.
 *
 * Swagger UI draws it. Ours are the frame around it, dark or light as on the page at /, and that
 * whatever is tried goes to where this page came from, whatever address the document names.
 */
import "./styles/fonts.css";
import "./styles/colours.css";
import "swagger-ui-dist/swagger-ui.css";
import "./styles/documentation.css";
import SwaggerUIBundle from "swagger-ui-dist/swagger-ui-es-bundle.js";
import * as theme from "./theme";

const WORDS = { auto: "As the system", light: "Light", dark: "Dark" };
const place = document.querySelector<HTMLElement>("#documentation")!;
const button = document.querySelector<HTMLButtonElement>("button.theme")!;

function showTheme(): void {
  const dark = document.documentElement.dataset["theme"] === "dark";
  document.documentElement.classList.toggle("dark-mode", dark); // as Swagger UI wants it
  const word = WORDS[theme.choice()];
  button.textContent = word;
  button.setAttribute("aria-label", `Colours: ${word.toLowerCase()}`);
}

async function draw(): Promise<void> {
  const answer = await fetch("openapi.json");
  if (!answer.ok) throw new Error(`openapi.json was answered ${answer.status}`);
  const here = new URL(".", location.href).href.replace(/\/$/, "");
  SwaggerUIBundle({
    spec: { ...(await answer.json()), servers: [{ url: here }] },
    domNode: place,
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    showMutatedRequest: false,
    tryItOutEnabled: true,
    validatorUrl: null, // it would tell a host elsewhere of this one
  });
}

theme.apply();
showTheme();
theme.onSystemChange(showTheme);
button.addEventListener("click", () => {
  theme.advance();
  showTheme();
});
draw()
  .catch((error: unknown) => {
    const said = document.createElement("p");
    said.className = "noscript";
    said.textContent = `The description could not be loaded: ${error instanceof Error ? error.message : error}`;
    place.replaceChildren(said);
  })
  .finally(() => place.removeAttribute("aria-busy"));
