"""peer.py serve BITS TAKEOVER: an echo server of the package "websockets"; prints its port.
peer.py talk BITS TAKEOVER PORT: a client of it that sends messages to an echo server and compares the answers.
"""
import asyncio
import os
import sys

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.extensions import permessage_deflate

mode, bits, takeover = sys.argv[1], int(sys.argv[2]), sys.argv[3] == "yes"
terms = dict(server_no_context_takeover=not takeover, client_no_context_takeover=not takeover,
             server_max_window_bits=bits, client_max_window_bits=bits)


async def echo(socket):
    async for message in socket:
        await socket.send(message)


async def main():
    if mode == "serve":
        extension = permessage_deflate.ServerPerMessageDeflateFactory(**terms)
        async with serve(echo, "127.0.0.1", 0, compression=None, extensions=[extension]) as server:
            print(server.sockets[0].getsockname()[1], flush=True)
            await server.serve_forever()
    messages = [m for n in (0, 1, 10, 200, 3000, 70000) for m in ("window äußerst " * (n // 10), os.urandom(n))] * 2
    extension = permessage_deflate.ClientPerMessageDeflateFactory(**terms)
    async with connect(f"ws://127.0.0.1:{sys.argv[4]}", compression=None, extensions=[extension]) as socket:
        assert socket.protocol.extensions, "no compression was agreed on"
        for message in messages:
            await socket.send(message)
            assert await socket.recv() == message


asyncio.run(main())
