/** A wire between a browser and a service, which can be cut: TCP, byte for byte. */
import { connect, createServer } from "node:net";

export class Wire {
  #server;
  #sockets = new Set();
  #whole = true;

  /** Where a browser reaches the service by this wire. */
  url = "";

  static async to(serviceUrl) {
    const { hostname, port } = new URL(serviceUrl);
    const wire = new Wire();
    wire.#server = createServer((near) => {
      if (!wire.#whole) {
        near.destroy();
        return;
      }
      const far = connect(Number(port), hostname);
      for (const [from, to] of [[near, far], [far, near]]) {
        wire.#sockets.add(from);
        from.on("error", () => to.destroy());
        from.on("close", () => {
          wire.#sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
    await new Promise((resolve) => wire.#server.listen(0, "127.0.0.1", resolve));
    wire.url = `http://127.0.0.1:${wire.#server.address().port}`;
    return wire;
  }

  /** Ends all connections; new ones are refused until it is mended. */
  cut() {
    this.#whole = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend() {
    this.#whole = true;
  }

  close() {
    this.cut();
    this.#server.close();
  }
}
