/** One browser for all tests: prints where it is, and ends when its input does. */
import { launchServer } from "./chromium.mjs";

const server = await launchServer();
console.log(server.wsEndpoint());
for await (const _ of process.stdin);
await server.close();
