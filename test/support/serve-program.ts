/**
 * The built-in server as a process of its own: settings as JSON in the only argument, events as JSON lines. Exits with 1
 * and the problem when it cannot start.
 */
import { isProblem } from '../../src/base/problem.ts'
import { startServer } from '../../src/serve/server.ts'
import { type TestSettings, testSettings } from './serve-settings.ts'

const server = await startServer(testSettings(JSON.parse(process.argv[2] ?? '{}') as TestSettings), (event) =>
  console.log(JSON.stringify(event)),
)
if (isProblem(server)) {
  console.log(JSON.stringify(server))
  process.exitCode = 1
} else {
  console.log(JSON.stringify({ event: 'ready', port: server.addresses[0]?.port }))
  process.once('SIGTERM', () => void server.close())
}
