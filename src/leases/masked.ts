/** Messages of libraries may repeat what they were given. */

/** `text` without the connection string `url`, and without the user and the password in it. Pure. */
export function maskedText(text: string, url: string): string {
  const user = /^[a-z][a-z0-9+.-]*:\/\/([^@/]*)@/i.exec(url)?.[1] ?? ''
  const [, ...passwords] = user.split(':')
  const password = passwords.join(':')
  let masked = text.replaceAll(url, '(the connection string)')
  for (const secret of [user, password, decoded(password)])
    if (secret.length > 2) masked = masked.replaceAll(secret, '(not shown)')
  return masked
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
