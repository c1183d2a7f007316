/** Ends the program with one line when this Node is too old for Pawl. Imported first, and plain enough for old ones to read. */
import { readFileSync } from "node:fs";

const wanted = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).engines.node.replace(">=", "");
const [major, minor] = wanted.split(".").map(Number);
const [runningMajor, runningMinor] = process.versions.node.split(".").map(Number);

if (runningMajor < major || (runningMajor === major && runningMinor < minor)) {
  console.error(`Pawl needs Node ${wanted} or newer; this is ${process.versions.node}.`);
  process.exit(1);
}
