// Runs every audit of graphql-http against one endpoint and prints the results as one JSON list.
//   AUDIT_TOKEN=... node audit.mjs http://127.0.0.1:8000/graphql
import { serverAudits } from 'graphql-http';

const [url] = process.argv.slice(2);
const authorization = `Bearer ${process.env.AUDIT_TOKEN}`;

function authorizedFetch(input, init = {}) {
  const headers = new Headers(init.headers);
  headers.set('authorization', authorization);
  return fetch(input, { ...init, headers });
}

const results = [];
for (const audit of serverAudits({ url, fetchFn: authorizedFetch })) {
  const { id, name, status, reason } = await audit.fn();
  results.push({ id, name, status, reason });
}
console.log(JSON.stringify(results));
