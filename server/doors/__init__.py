"""The ways in: GraphQL over HTTP and WebSocket, and the GraphiQL page."""
