/** A list with at least one element: "empty" is not a value of this type. */
export type NonEmpty<T> = readonly [T, ...T[]]

/** Narrows a list to `NonEmpty`, or says that it is not one. */
export function isNonEmpty<T>(list: readonly T[]): list is NonEmpty<T> {
  return list.length > 0
}
