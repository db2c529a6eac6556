#!/usr/bin/env python3
"""A host's side of Holdfast's lease service, with Python's own library only.

    LEASE_TOKEN=... python3 client.py http://10.0.0.5:5380 [http://10.0.0.6:5380 ...]

Prints `leased EPOCH SECONDS` for each report that is answered with a lease, and `lost` when it ends. Whatever
the lease protects must look at the epoch, too: this machine may be slower than it thinks.
"""
import http.client, json, os, random, socket, sys, time, urllib.parse, uuid

servers, token = sys.argv[1:], os.environ["LEASE_TOKEN"]
host = {"id": os.environ.get("LEASE_ID", socket.gethostname()), "bootId": str(uuid.uuid4()), "class": "running"}
epoch, proof, until = 0, "", 0.0  # the lease: until when on our own monotonic clock
turn, owner, hops, tokens, failures, last_poll = 0, None, 0, 10.0, 0, 0.0
connection, connected_to = None, None


def report(server):
    """One POST on a connection that is kept. Returns status, headers, body."""
    global connection, connected_to
    if connected_to != server:
        url = urllib.parse.urlsplit(server)
        kind = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
        connection, connected_to = kind(url.hostname, url.port, timeout=10), server
    body = json.dumps({**host, "epoch": epoch, "proof": proof})
    try:
        connection.request("POST", "/v1/sync", body, {"Authorization": "Bearer " + token, "Content-Type": "application/json"})
        reply = connection.getresponse()
        return reply.status, reply.headers, reply.read(1 << 20)
    except BaseException:
        connection.close()
        connected_to = None
        raise


def step():
    """One report. Returns the seconds until the next."""
    global epoch, proof, until, turn, owner, hops, tokens, failures, last_poll
    server, sent = owner or servers[turn % len(servers)], time.monotonic()
    try:
        status, headers, body = report(server)
        if status in (429, 503) and headers.get("Retry-After", "").isdigit():
            return int(headers["Retry-After"]) * random.uniform(1, 1.5)  # a busy front door: not our failure
        if 400 <= status < 500 and status != 429:
            print(f"{server}: expected 200, found {status}; check token, id and address", file=sys.stderr)
            return max(60, last_poll) * random.uniform(0.5, 1.5)
        told = next(one for one in json.loads(body)["hosts"] if one["id"] == host["id"])
        wait = last_poll = max(0.05, told["pollAfterMs"] / 1000)
        answer = told["status"]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, StopIteration) as error:
        print(f"{server}: {error!r}", file=sys.stderr)
        turn, owner, most = turn + (owner is None), None, max(60, last_poll)
        if tokens < 1:
            return most * random.uniform(0.5, 1.5)  # no more retries out of turn
        tokens, failures = tokens - 1, failures + 1
        return random.uniform(0, min(most, 2 ** (failures - 1)))  # full jitter
    tokens, failures = min(10, tokens + 0.1), 0
    if answer == "MOVED":
        owner, hops = told["to"], hops + 1
        return max(wait, min(60, 0.05 * 2**hops) * random.uniform(0.5, 1.5))
    hops = 0
    if answer == "LEASED":
        proof = told.get("proof", proof if told["epoch"] == epoch else "")
        epoch, until = told["epoch"], sent + 0.98 * told["ttl"] / 1000
        print(f"leased {epoch} {until - time.monotonic():.1f}", flush=True)
    elif answer == "STALE":
        until = 0.0
    return wait


while True:
    at = time.monotonic() + step()
    while (now := time.monotonic()) < at or epoch and now >= until:
        if epoch and now >= until:
            epoch, proof = 0, ""
            print("lost", flush=True)
        time.sleep(max(0, min(at, until if epoch else at) - now))
