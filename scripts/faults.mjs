/** `npm run faults -- [arguments]`: faults done to real processes and a real PostgreSQL, compiled first. */
import "./require-node.mjs";
import { build, install, run } from "./prepare.mjs";

await install();
await build();
process.exitCode = await run(["faults/dist/faults/src/main.js", ...process.argv.slice(2)]);
