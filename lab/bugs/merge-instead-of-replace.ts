import type { Bug } from './bug.ts'
import { substitute } from './wrap.ts'

export const mergeInsteadOfReplace: Bug = {
  name: 'merge-instead-of-replace',
  what: 'new addresses are added to those that stand there',
  violates: 'S3',
  plant(region) {
    substitute(region, {
      provider: (provider) => ({
        ...provider,
        write: (zone, changes) =>
          provider.write(
            zone,
            changes.map((change) => {
              const { answer, expected } = change
              if (answer.kind !== 'addresses') return change
              const [first, ...rest] = answer.addresses
              const known = new Set(answer.addresses.map(({ address }) => address))
              const old = expected.addresses.filter((address) => !known.has(address))
              const addresses = [first, ...rest, ...old.map((address) => ({ address, weight: 1 }))] as const
              return { ...change, answer: { ...answer, addresses } }
            }),
          ),
      }),
    })
  },
}
