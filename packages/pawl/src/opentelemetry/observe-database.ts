import type { BatchObservableCallback, Meter } from "@opentelemetry/api";
import type { DatabaseGauges } from "../base/telemetry.ts";

/** Reads the gauges whenever measurements are collected. Gives a function that ends it. */
export function observeDatabase(meter: Meter, gauges: DatabaseGauges): () => void {
  const executions = meter.createObservableGauge("pawl.executions", { unit: "{execution}", description: "Executions by state" });
  const depth = meter.createObservableGauge("pawl.queue.depth", { unit: "{task}", description: "Tasks that are due and not claimed" });
  const age = meter.createObservableGauge("pawl.queue.age", { unit: "ms", description: "How long the oldest of them is due" });
  const stranded = meter.createObservableGauge("pawl.executions.stranded", { unit: "{execution}", description: "Executions that nothing will wake; always 0" });
  const observed = [executions, depth, age, stranded];
  const read: BatchObservableCallback = async (result) => {
    const [states, backlog, lost] = [await gauges.executions(), await gauges.backlog(), await gauges.stranded()];
    for (const { state, count } of states) result.observe(executions, count, { "pawl.state": state });
    for (const { taskQueue, definition, tasks, ageMs } of backlog) {
      const attributes = { "pawl.task_queue": taskQueue, "pawl.definition": definition };
      result.observe(depth, tasks, attributes);
      result.observe(age, ageMs, attributes);
    }
    result.observe(stranded, lost);
  };
  meter.addBatchObservableCallback(read, observed);
  return () => meter.removeBatchObservableCallback(read, observed);
}
