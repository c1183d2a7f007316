import * as on from "./appends.ts";
import { importAs } from "./import-moves.ts";
import * as by from "./moves.ts";
import { pairsOf, pairsWith, scenario } from "./scenario.ts";
import {
  claimAndWrite,
  closeStream,
  follow,
  startAndWrite,
  streamed,
  streaming,
  streamingFamily,
  writeAndEnd,
  writeAndEndChild,
  writeChunk,
} from "./stream-moves.ts";
import { runs } from "./world.ts";

const back = by.rollBackAs("next", "parent", "the start");
/** An owner has one of them on its way at a time. */
const writes = [writeChunk, closeStream, writeAndEnd];

const ofFamily = (parent: string, suffix: string) =>
  pairsWith(
    streamingFamily(parent, suffix),
    writeAndEndChild,
    by.releaseBy("one"),
    by.releaseBy("two"),
    by.reap("kill both", ["one", "two"]),
    by.terminate("parent"),
    by.terminate("child"),
    by.cancel("child"),
    on.siblingEnds,
    by.claimBy("two"),
  );

export const streamPairs = [
  ...writes.flatMap((write) =>
    pairsWith(
      streaming,
      write,
      by.releaseBy("one"),
      by.reap("kill one", ["one"]),
      claimAndWrite("two"),
      back,
      by.cancel("parent"),
      by.terminate("parent"),
      by.signal("parent"),
      by.pause("parent"),
      follow,
    ),
  ),
  ...pairsOf(streamed, by.forget(), startAndWrite, importAs("completed"), follow, back, by.signalWithStart()),
  ...ofFamily(runs.parent, ""),
  ...ofFamily(runs.lastParent, ", parent last"),
];

export const streamTriples = [
  ...writes.flatMap((write) => [
    scenario(streaming, write, by.releaseBy("one"), claimAndWrite("two")),
    scenario(streaming, write, by.reap("kill one", ["one"]), claimAndWrite("two")),
    scenario(streaming, write, back, claimAndWrite("two")),
    scenario(streaming, write, by.terminate("parent"), follow),
  ]),
  scenario(streamed, by.forget(), startAndWrite, importAs("completed")),
  scenario(streamed, by.forget(), startAndWrite, follow),
];
