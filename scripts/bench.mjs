/** `npm run bench -- [arguments]`: the benchmarks, compiled first. */
import "./require-node.mjs";
import { build, install, run } from "./prepare.mjs";

await install();
await build();
process.exitCode = await run(["bench/dist/main.js", ...process.argv.slice(2)]);
