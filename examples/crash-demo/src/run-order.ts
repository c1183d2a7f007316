/** The process that gets killed: runs one order and ends. It is started twice with the same arguments. */
import { openDemo } from "./open-demo.ts";
import { packOrder, processOrder } from "./order.workflow.ts";

const [directory = "", executionId = "", ledger = "", items = ""] = process.argv.slice(2);
const pawl = await openDemo(directory);
await pawl.worker({ workflows: [processOrder, packOrder] });
// An id that exists gives the existing execution, so the second process need not know that it is the second.
const handle = await pawl.start(processOrder, { ledger, items: Number(items) }, { executionId });
await handle.result();
await pawl.close();
