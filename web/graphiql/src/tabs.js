// Which tabs the editor opens with, and where it remembers them.

const PREFIX = "model-registry:";

/**
 * localStorage under the page's own prefix: GraphiQL's plain keys are shared by every GraphiQL of an origin, and
 * 127.0.0.1:8000 has often been another project's yesterday.
 */
export const editorStorage = {
  getItem: (key) => localStorage.getItem(PREFIX + key),
  setItem: (key, value) => localStorage.setItem(PREFIX + key, value),
  removeItem: (key) => localStorage.removeItem(PREFIX + key),
  clear: () => ownKeys().forEach((key) => localStorage.removeItem(key)),
  get length() {
    return ownKeys().length;
  },
};

function ownKeys() {
  return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
}

/** GraphiQL's properties for a first visit (the link's query, then the server's examples) or for a return to stored tabs. */
export function openingTabs(link) {
  const examples = JSON.parse(document.getElementById("default-tabs").textContent);
  const defaultTabs = link ? [link, ...examples] : examples;
  const stored = editorStorage.getItem("graphiql:tabState") !== null;
  const first = link ?? (stored ? undefined : defaultTabs[0]);
  return {
    defaultTabs: defaultTabs.length > 0 ? defaultTabs : undefined,
    // GraphiQL shows the first tab's variables only when they are passed here too.
    initialQuery: first?.query,
    initialVariables: first && (first.variables ?? ""),
  };
}
