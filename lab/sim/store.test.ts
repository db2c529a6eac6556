/** The contract of every store, kept by the simulated one while its virtual time keeps pace with the real one. */
import { afterAll } from 'vitest'
import { storeContract } from '../../test/support/store-contract.ts'
import { Kernel, type Process } from './kernel.ts'
import { SimulatedStore } from './store.ts'

const kernels: Kernel[] = []
let over = false
const started = performance.now()
const driving = drive()
afterAll(async () => {
  over = true
  await driving
})

async function drive(): Promise<void> {
  while (!over) {
    for (const kernel of kernels) await kernel.run((performance.now() - started) * 1000)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** A process that only lends its name to a client of the store. */
function client(kernel: Kernel, id: string): Process {
  const process = kernel.add(id, () => new Promise(() => {}))
  kernel.start(process)
  return process
}

storeContract('the simulated store', async (options) => {
  const kernel = new Kernel({ seed: 1 })
  const simulated = new SimulatedStore(kernel, options)
  kernels.push(kernel)
  let clients = 0
  const another = async () => simulated.of(client(kernel, `client-${clients++}`))
  return { store: await another(), another }
})
