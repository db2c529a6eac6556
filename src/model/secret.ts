/**
 * Where a secret is, never the secret itself: what carries this may be logged, digested and stored. It is
 * read by the program that uses it, at the moment of use.
 */
export type SecretSource =
  /** A file, as it is written in `holdfast.yaml`: relative paths start in its folder. */
  | { readonly kind: 'file'; readonly file: string }
  /** An environment variable whose name starts with `HOLDFAST_`. */
  | { readonly kind: 'env'; readonly env: string }

/** What secrets are looked up with: the text without blanks around it, or why it cannot be read. */
export type ReadSecret = (
  source: SecretSource,
) => { readonly kind: 'secret'; readonly text: string } | { readonly kind: 'unreadable'; readonly why: string }
