"""The hub's door to containers: what they send to their network's gateway goes on to the hub's own port.

The hub listens on loopback, which no container reaches, and a network's address may come and go with its
containers; a service of the hub listens there all the time.

`python -m probav_hub.containers.door ADDRESS PORT`
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import Counter
from contextlib import suppress

IP_FREEBIND = 15  # linux/in.h: an address that this machine may have only later
CONNECTIONS = 64  # of one container at a time
HUB = "127.0.0.1"


async def serve(address: str, port: int) -> None:
    """Pass connections on for ever; one from a container that has very many open is closed."""
    open_now: Counter[str] = Counter()

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str(writer.get_extra_info("peername")[0])
        open_now[peer] += 1
        try:
            if open_now[peer] <= CONNECTIONS:
                await _join(reader, writer, port)
        finally:
            open_now[peer] -= 1
            writer.close()

    with socket.socket(socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
        listener.bind((address, port))
        async with await asyncio.start_server(visit, sock=listener) as server:
            await server.serve_forever()


async def _join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Pass on in both directions until the hub has said all."""
    try:
        from_hub, to_hub = await asyncio.open_connection(HUB, port)
    except OSError:  # the hub is just starting
        return
    asking = asyncio.create_task(_pass(reader, to_hub))
    try:
        await _pass(from_hub, writer)
    finally:
        asking.cancel()
        to_hub.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes in one direction until it ends."""
    with suppress(OSError):
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
