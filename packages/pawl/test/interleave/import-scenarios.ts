import { alone, families } from "./fixtures.ts";
import { importAs, unkept } from "./import-moves.ts";
import * as by from "./moves.ts";
import { pairsOf, pairsWith } from "./scenario.ts";
import { fireBy, scheduled, scheduledId } from "./schedule-moves.ts";
import { inTransaction, rolledBack, starting } from "./user-moves.ts";
import { runs, startOf, workers } from "./world.ts";

const ended = importAs("completed");
const held = importAs("quarantined");
const startedByUser = { runId: runs.keyed };

/** Whatever else makes an execution with the id, or does something with the one that has it by then. */
export const importPairs = [
  ...[ended, held].flatMap((move) =>
    pairsWith(
      alone.nothing,
      move,
      by.start("start", startOf("parent")),
      by.start("start eagerly", startOf("parent", { runId: runs.other, claimBy: workers.one })),
      by.signalWithStart(),
      inTransaction(starting("parent", startedByUser)),
      rolledBack(starting("parent", startedByUser)),
      by.cancel("parent"),
      by.terminate("parent"),
      by.signal("parent"),
      by.resumeAs("next"),
      by.pause("parent"),
      by.claimBy("one"),
    ),
  ),
  ...pairsOf(unkept, ended, by.forget(), by.startAgain(), by.claimBy("one")),
  ...pairsWith(
    families(runs.parent, "").forgettable,
    ended,
    ended,
    by.forget(),
    by.resumeAs("next"),
    by.rollBackAs("next2", "parent", "a child"),
    by.startAgain(),
    by.signalWithStart(),
    by.terminate("parent"),
  ),
  ...pairsWith(alone.pending, importAs("completed", "copy"), by.forkParent("parent"), by.terminate("parent")),
  ...pairsWith(scheduled, importAs("completed", scheduledId), fireBy("one")),
];
