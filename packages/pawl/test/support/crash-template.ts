import { openPawl, silentLogger } from "pawl/internal";
import { afterAll, afterEach, beforeAll } from "vitest";
import { copyDatabase, freshDatabase, installTerminalGuard, type FreshDatabase } from "./database.ts";
import { killPrograms } from "./program.ts";

/**
 * For the tests of one file that kill processes: a migrated database, of which each takes a copy. It goes after the last of them, and
 * programs that are left over after each.
 *
 * @param prepare is called once, before the template refuses changes of what has ended
 */
export function crashTemplate(prepare: (url: string) => Promise<void> = async () => {}): { copy(): Promise<FreshDatabase> } {
  let template: FreshDatabase;
  beforeAll(async () => {
    template = await freshDatabase();
    await (await openPawl({ url: template.url, logger: silentLogger })).close();
    await prepare(template.url);
    await installTerminalGuard(template.url);
  });
  afterEach(killPrograms);
  afterAll(() => template.drop());
  return { copy: () => copyDatabase(template.url) };
}
