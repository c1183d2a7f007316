import { expect, test } from "vitest";
import { Failures } from "./failures.ts";

test("an error of a call is known as it is, wrapped, unwrapped and collected", () => {
  const failures = new Failures();
  const cause = new Error("cause");
  const error = new Error("boom", { cause });
  failures.add(error, 5, 2);
  for (const thrown of [error, cause, new Error("outer", { cause: error }), new AggregateError([new Error("other"), error])])
    expect(failures.behind(thrown, 9)).toEqual({ seq: 5, calls: 2 });
  expect(failures.behind(new Error("boom"), 9)).toBeUndefined();
});

test("failures between which nothing was called are one, those before and after are others", () => {
  const failures = new Failures();
  const [caught, first, second, late] = [3, 5, 6, 8].map((seq) => new Error(String(seq))) as [Error, Error, Error, Error];
  failures.add(caught, 3, 1);
  failures.add(first, 5, 4);
  failures.add(second, 6, 4);
  expect(failures.behind(second, 4)).toEqual({ seq: 5, calls: 4 });
  failures.add(late, 8, 5);
  expect(failures.behind(caught, 5)).toEqual({ seq: 3, calls: 1 });
  expect(failures.behind(new AggregateError([late, first]), 5)).toEqual({ seq: 5, calls: 4 });
});

test("an error of the code's own comes from what failed since it made its last call, if anything did", () => {
  const failures = new Failures();
  expect(failures.behind("no error", 0)).toBeUndefined();
  failures.add(new Error("a"), 5, 3);
  expect(failures.behind(new Error("some failed"), 3)).toEqual({ seq: 5, calls: 3 });
  expect(failures.behind(new Error("a mistake"), 4)).toBeUndefined();
});

test("causes that go round in a circle are gone through once", () => {
  const failures = new Failures();
  const error = new Error("round");
  error.cause = error;
  failures.add(error, 2, 1);
  expect(failures.behind(error, 2)).toEqual({ seq: 2, calls: 1 });
});

test("errors whose causes and lists cannot be read, or are no lists, are gone through as far as they can", () => {
  const failures = new Failures();
  const unreadable = new AggregateError([], "unreadable");
  for (const key of ["cause", "errors"]) {
    Object.defineProperty(unreadable, key, {
      get: () => {
        throw new Error("trap");
      },
    });
  }
  const listless = Object.assign(new AggregateError([], "listless", { cause: unreadable }), { errors: undefined });
  failures.add(listless, 4, 1);
  for (const thrown of [listless, unreadable, new Error("outer", { cause: listless })]) expect(failures.behind(thrown, 9)).toEqual({ seq: 4, calls: 1 });
  const { proxy, revoke } = Proxy.revocable([], {});
  revoke();
  expect(failures.behind(Object.assign(new AggregateError([]), { errors: proxy, cause: listless }), 9)).toEqual({ seq: 4, calls: 1 });
});

test("an error that collects more than a call has arguments is gone through", () => {
  const failures = new Failures();
  const error = new Error("last");
  failures.add(error, 4, 1);
  expect(failures.behind(new AggregateError([...Array.from({ length: 300_000 }, () => undefined), error]), 9)).toEqual({ seq: 4, calls: 1 });
});
