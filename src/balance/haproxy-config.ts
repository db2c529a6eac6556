/** The configuration that HAProxy needs for Holdfast to give it weights, each line with its reason. Pure. */
import type { Haproxy, HaproxyPool } from '../model/haproxy.ts'
import type { Address } from '../world/world.ts'
import { markerServer } from './marker.ts'
import { slotPrefix } from './slots.ts'

/** `pools`: those to write; a whole file with them. */
export function haproxyConfig({ socket, stateFile }: Haproxy, pools: readonly HaproxyPool[]): string {
  const bind = socket.kind === 'unix' ? quoted(`unix@${socket.path}`) : bindText(socket.address)
  const mode = socket.kind === 'unix' ? ' mode 600' : ''
  return `# Written by "holdfast haproxy config" for HAProxy 2.6 and newer. Keep these lines as they are, and add your own:
# certificates, rules, logs, limits. Start it in master-worker mode (haproxy -W, or -Ws under systemd),
# so that a reload (SIGUSR2) takes over every connection that waits.

global
    # Where the balancer pushes weights. "level admin": weights and addresses need it. "maxconn 1": one balancer
    # at a time; HAProxy itself lets others wait ("backlog": room for them), and lets the next one in as soon as
    # the first is gone.
    # Make another "stats socket" for people and monitoring.
    # "expose-fd listeners": a reload hands the listening sockets over, so that no connection is refused.
    stats socket ${bind}${mode} level admin maxconn 1 backlog 16 expose-fd listeners
    # The balancer asks something every second; a person at another socket is not cut off while thinking.
    stats timeout 2m
${stateFileLines(stateFile)}
defaults
    # Addresses, weights and states after a start or a reload: from the state file.
    load-server-state-from-file global
    # A target that is dead and not out yet costs little: it is given up soon,
    timeout connect 1s
    # tried again up to three times,
    retries 3
    # each time at another target.
    option redispatch 1
    timeout client 1m
    timeout server 1m
    # An idle connection of a client, and a request that does not end, are not kept for ever.
    timeout http-keep-alive 15s
    timeout http-request 10s

${pools.map(poolText).join('\n')}`
}

function stateFileLines(stateFile: string | null): string {
  if (stateFile !== null)
    return `    # What the slots were when the balancer last changed them. It keeps this file, so HAProxy starts and reloads
    # with the last addresses and weights, also while Holdfast is gone.
    server-state-file ${quoted(stateFile)}
`
  return `    # What the slots were. No stateFile is configured, so write it before each reload:
    #     echo "show servers state" | socat stdio /run/haproxy/admin.sock > /var/lib/haproxy/holdfast.state
    server-state-file /var/lib/haproxy/holdfast.state
`
}

function poolText({ pool, backend, slots, mode, bind }: HaproxyPool): string {
  const unset = 'unset.holdfast.invalid'
  const again =
    mode === 'http'
      ? `    # A request that a dying target left without an answer is tried elsewhere, too, if doing it twice does no harm.
    retry-on conn-failure empty-response
    http-request disable-l7-retry unless { method GET HEAD OPTIONS }
`
      : ''
  return `${bind === null ? frontendHint(backend, mode) : frontendText(pool, backend, mode, bind)}
# Pool ${pool}. Holdfast judges the targets, so nothing here has "check": two that judge work against each other.
backend ${backend}
    mode ${mode}
    # An algorithm that follows a weight at once and without gaps.
    balance roundrobin
${again}    # Never used: its address is the generation of the plan that the weights belong to, and says that the slots
    # are Holdfast's. Servers of other names in this backend are left alone.
    server ${markerServer} ${unset}:1 init-addr last,127.0.0.1 weight 0 disabled
    # Slots: Holdfast gives them address, weight and state. A name that never resolves, with "init-addr last":
    # only so does HAProxy take an address from the state file. Closed until a balancer, or the file, opens them.
    server-template ${slotPrefix} 1-${slots} ${unset}:9 init-addr last,127.0.0.1 disabled
`
}

const frontendHint = (backend: string, mode: string): string =>
  `# No "bind" is configured for this pool: send traffic from a frontend of your own with "default_backend ${backend}"${mode === 'http' ? '\n# and "option idle-close-on-response".' : '.'}`

/** Without it a client that sends its next request in that very moment finds the connection closed. */
const lastResponse = `    # After a reload the old process answers one more request on each connection that a client keeps, and says
    # "close" with it, instead of closing it under the client's hands.
    option idle-close-on-response
`

const frontendText = (pool: string, backend: string, mode: string, bind: Address): string => `frontend ${pool}
    mode ${mode}
    bind ${bindText(bind)}
${mode === 'http' ? lastResponse : ''}    default_backend ${backend}
`

const bindText = ({ host, port }: Address): string =>
  host.includes(':') ? `ipv6@[${host}]:${port}` : `${host}:${port}`

/** HAProxy's configuration ends words at spaces and reads `#`, quotes, `\\` and `$` (configuration guide, 2.2). */
const quoted = (text: string): string =>
  /^[\w./@:+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
