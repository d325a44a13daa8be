// The entry: clears the address bar first, then loads the page, whose editor is some megabytes.

import { takeFragment } from "./session.js";

const link = takeFragment();

const { render } = await import("./page.jsx");
render(document.getElementById("root"), link);
