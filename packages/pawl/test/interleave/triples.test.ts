import { exploreInTests } from "./explore-in-tests.ts";
import { shortTier } from "./short-tier.ts";

exploreInTests(shortTier.triples);
