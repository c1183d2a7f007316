/** `npm run sim -- [arguments]`: the simulator, compiled first. */
import "./require-node.mjs";
import { build, install, run } from "./prepare.mjs";

await install();
await build();
process.exitCode = await run(["--no-deprecation", "sim/dist/main.js", ...process.argv.slice(2)]);
