"""HTTP and WebSocket: who asks, may they, is it well formed; relays events."""
