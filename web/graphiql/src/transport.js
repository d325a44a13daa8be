// How the page reaches /graphql: POST for queries and mutations, graphql-transport-ws for subscriptions, one token for both.

import { createGraphiQLFetcher } from "@graphiql/toolkit";
import { createClient } from "graphql-ws";

const ENDPOINT = "/graphql";
const WS_REFUSED = new Set([4401, 4403]);

/** A GraphiQL fetcher that sends `token` with every request and calls `onRefused()` when the server does not accept it. */
export function createFetcher(token, onRefused) {
  const authorization = `Bearer ${token}`;

  async function authorizedFetch(url, { headers, ...init }) {
    const response = await fetch(url, { ...init, headers: { ...headers, authorization }, credentials: "omit" });
    if (response.status === 401) onRefused();
    return response;
  }

  return createGraphiQLFetcher({
    url: ENDPOINT,
    fetch: authorizedFetch,
    // Off, the fetcher asks for application/graphql-response+json; the server has no @defer to deliver.
    enableIncrementalDelivery: false,
    wsClient: createClient({
      url: socketAddress(),
      connectionParams: { authorization },
      // A silent reconnect would leave a gap in the stream that the reader cannot see.
      retryAttempts: 0,
      on: {
        closed: (event) => WS_REFUSED.has(event?.code) && onRefused(),
      },
    }),
  });
}

function socketAddress() {
  const address = new URL(ENDPOINT, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}
