/** `Brand<number, 'Generation'>`: a number that cannot be mixed up with another kind of number. */
export type Brand<Value, Label extends string> = Value & { readonly [brand]: Label }

declare const brand: unique symbol
