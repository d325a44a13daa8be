// What the address and the browser tab hold: the token (sessionStorage only) and the query a link asks to open.

const TOKEN_KEY = "model-registry:token";

/** The token of this browser tab, or null. */
export function readToken() {
  return sessionStorage.getItem(TOKEN_KEY);
}

/** Keeps the token until the browser tab closes; null forgets it. */
export function keepToken(token) {
  if (token === null) sessionStorage.removeItem(TOKEN_KEY);
  else sessionStorage.setItem(TOKEN_KEY, token);
}

/**
 * Moves `#token=…&query=…&variables=…` out of the address bar: the token into sessionStorage, the rest into the answer.
 *
 * The fragment is never sent to a server, but the address bar ends in histories, screenshots and pasted links.
 * Returns {query, variables} (variables as JSON text, "" when absent), or null when the link opens no query.
 */
export function takeFragment() {
  const fragment = location.hash.slice(1);
  if (fragment === "") return null;
  history.replaceState(history.state, "", location.pathname + location.search);
  const values = new URLSearchParams(fragment);
  const token = values.get("token")?.trim();
  if (token) keepToken(token);
  const query = values.get("query");
  return query ? { query, variables: prettyJson(values.get("variables")) } : null;
}

function prettyJson(text) {
  if (!text) return "";
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
