// How the page reaches /graphql: POST for queries and mutations, graphql-transport-ws for subscriptions, one token for both.

import { getOperationAST } from "graphql";
import { createClient } from "graphql-ws";

const ENDPOINT = "/graphql";
const WS_REFUSED = new Set([4401, 4403]);

/** A GraphiQL fetcher that sends `token` with every request and calls `onRefused()` when the server does not accept it. */
export function createFetcher(token, onRefused) {
  const authorization = `Bearer ${token}`;
  const socket = createClient({
    url: socketAddress(),
    connectionParams: { authorization },
    // A silent reconnect would leave a gap in the stream that the reader cannot see.
    retryAttempts: 0,
    on: {
      closed: (event) => WS_REFUSED.has(event?.code) && onRefused(),
    },
  });

  async function post(request, headers) {
    const sent = fetch(ENDPOINT, {
      method: "POST",
      credentials: "omit",
      headers: {
        ...headers,
        accept: "application/graphql-response+json, application/json",
        "content-type": "application/json",
        authorization,
      },
      body: JSON.stringify(request),
    });
    const response = await sent.catch(() => null);
    if (response === null) return failure("The server cannot be reached.");
    if (response.status === 401) onRefused();
    if (response.headers.get("content-type")?.includes("json")) return response.json();
    return failure(`The server answered ${response.status} ${response.statusText} and no JSON.`);
  }

  return (request, { documentAST, headers } = {}) => {
    const operation = documentAST && getOperationAST(documentAST, request.operationName);
    return operation?.operation === "subscription" ? readable(socket.iterate(request)) : post(request, headers);
  };
}

/** The stream with its break as a last result: GraphiQL would show a thrown one with a stack. */
function readable(stream) {
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    next: () => stream.next().catch((problem) => ({ done: false, value: broken(problem) })),
    return: () => stream.return(),
  };
}

function broken(problem) {
  if (Array.isArray(problem)) return { errors: problem };
  if (problem instanceof CloseEvent) {
    return failure(`The stream ended: ${problem.reason || "the connection was lost"} (${problem.code}).`);
  }
  return failure(`The stream ended: ${problem?.message ?? "the connection was lost"}.`);
}

function failure(message) {
  return { errors: [{ message }] };
}

function socketAddress() {
  const address = new URL(ENDPOINT, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  return address.href;
}
