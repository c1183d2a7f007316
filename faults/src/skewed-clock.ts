/**
 * Loaded before a program (`node --import skewed-clock.js?shift=7200000&jump=3000`): its `Date` is wrong by so much, and with
 * `jump` changes sides every so many milliseconds. The monotonic clock stays right, as it does on a machine whose time is set.
 */
const query = new URL(import.meta.url).searchParams;
const jumpMs = Number(query.get("jump") ?? 0);
let shiftMs = Number(query.get("shift"));
const trueNow = Date.now.bind(Date);
const now = (): number => trueNow() + shiftMs;

Date.now = now;
globalThis.Date = new Proxy(Date, {
  construct: (target, args: [], newTarget: NewableFunction) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget) as Date,
  apply: () => new Date(now()).toString(),
});
if (jumpMs > 0) {
  setInterval(() => {
    shiftMs = -shiftMs;
  }, jumpMs).unref();
}
