/**
 * The value itself. Should it be a promise that rejects while nobody waits for it, that ends no process: workflow code may wait for one
 * call after the other, or not at all. Whoever does wait gets the error all the same.
 */
export function handled<Value>(value: Value): Value {
  if (value instanceof Promise) value.catch(ignore);
  return value;
}

function ignore(): void {}
