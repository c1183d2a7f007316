/** `npm start`: from a fresh clone to the document ingestion example at work. */
import "./require-node.mjs";
import { build, install, run } from "./prepare.mjs";

await install();
await build();
process.exitCode = await run(["examples/document-ingestion/dist/main.js", "demo", ...process.argv.slice(2)]);
