"""How events reach a client: WebSocket, Server-Sent Events, NDJSON."""
