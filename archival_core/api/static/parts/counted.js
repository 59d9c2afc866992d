// A number as the way to the list of what it counts, which has as many entries.

import { el } from "../core/dom.js";
import { address } from "../core/route.js";

export const counted = (number, text, view, filter) => (number ? el("a", { href: address(view, filter) }, text) : text);
