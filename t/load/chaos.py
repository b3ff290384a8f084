"""A port that leads to RGW and does harm to some of its connections.

    chaos.py PORT TARGET-PORT SEED FILE      (FILE gets the counts)

What it does is chosen so that a request either never came to RGW as a whole,
or was answered by it before anything broke: none is executed later on, which
would leave nobody to say what the last write was.
"""

import asyncio
import collections
import json
import math
import os
import random
import socket
import struct
import sys

FAULTS = ('reset', 'request-reset', 'request-stall', 'reply-reset',
          'reply-cut', 'reply-stall', 'drip', 'garbage', '503')

rng = random.Random()
counts = collections.Counter()


def reset(writer):
    sock = writer.get_extra_info('socket')
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack('ii', 1, 0))
    writer.transport.abort()


class Pair:
    def __init__(self, reader, writer, target):
        self.reader, self.writer, self.target = reader, writer, target
        self.fault = rng.choice(FAULTS) if rng.random() < 0.6 else None
        self.at = int(math.exp(rng.uniform(0, math.log(300000))))
        if self.fault == 'garbage':
            self.at = 0                 # elsewhere it would be a body's bytes

    async def run(self):
        counts['connections'] += 1
        server = None
        try:
            if self.fault == 'reset':
                self.done('reset')
                reset(self.writer)
                return
            if self.fault == '503':
                await self.refuse()
                return
            back, server = await asyncio.open_connection('127.0.0.1',
                                                         self.target)
            ways = [asyncio.ensure_future(way) for way in (
                self.copy(self.reader, server, 'request'),
                self.copy(back, self.writer, 'reply'))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            for writer in (server, self.writer):
                if writer:
                    writer.close()

    def done(self, fault):
        counts[fault] += 1

    async def refuse(self):
        head = await self.reader.readuntil(b'\r\n\r\n')
        for line in head.split(b'\r\n'):
            name, _, value = line.partition(b':')
            if name.lower() == b'content-length':
                left = int(value)
                while left:
                    data = await self.reader.read(min(left, 65536))
                    if not data:
                        return
                    left -= len(data)
        self.done('503')
        self.writer.write(b'HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n'
                          b'Connection: close\r\n\r\n')
        await self.writer.drain()

    async def copy(self, reader, writer, name):
        passed = 0
        while True:
            data = await reader.read(65536)
            if not data:
                return
            hurt = self.fault and (
                self.fault.startswith(name)
                or (name == 'reply' and self.fault in ('drip', 'garbage')))
            if hurt and passed + len(data) > self.at:
                if self.fault != 'drip':
                    data = data[:self.at - passed]
                if await self.hurt(data, writer):
                    return
                continue
            passed += len(data)
            writer.write(data)
            await writer.drain()

    async def hurt(self, data, writer):
        """True: that was its end."""
        self.done(self.fault)

        if self.fault == 'drip':
            self.fault = None
            for at in range(0, len(data), 1024):
                writer.write(data[at:at + 1024])
                await writer.drain()
                await asyncio.sleep(0.02)
            return False

        writer.write(data)
        if self.fault == 'garbage':
            writer.write(b'\x00\xff garbage\r\n\r\n')
        await writer.drain()

        if self.fault.endswith('stall'):
            await asyncio.sleep(rng.uniform(0.5, 5))
        if self.fault not in ('reply-cut', 'garbage'):
            await asyncio.sleep(0.01)           # what was sent arrives
            reset(self.writer)
        return True


async def main(port, target, seed, file):
    rng.seed(seed)

    def start():
        return asyncio.start_server(
            lambda r, w: Pair(r, w, target).run(), '127.0.0.1', port,
            reuse_address=True, backlog=1024)

    server = await start()
    while True:
        await asyncio.sleep(rng.uniform(5, 15))
        with open(file + '.new', 'w') as f:
            json.dump(counts, f)
        os.rename(file + '.new', file)

        # nobody is at home for a moment
        server.close()
        counts['refusing'] += 1
        await asyncio.sleep(rng.uniform(0.1, 0.5))
        server = await start()


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3],
                 sys.argv[4]))
