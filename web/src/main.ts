import "./styles/fonts.css";
import "./styles/colours.css";
import "./styles/page.css";
import "./styles/code.css";
import "./styles/cell.css";
import { VibeCell } from "./element";
import { apply } from "./theme";

apply();
customElements.define("vibe-cell", VibeCell);
