"""An HTTP client that costs little: what is measured is the server.

A connection is kept, as docker keeps it.  RGW sends a reply's header and its
body in two segments, the second when the first is acknowledged (Nagle), which
a kernel delays by 40 ms on a connection that is kept: acknowledgements are
asked for at once (TCP_QUICKACK), so that RGW is not slower than it must be.
"""

import hashlib
import mmap
import os
import socket
import ssl
import urllib.parse

BLOCK = 256 * 1024
CHUNK = 64 * 1024


class Failed(Exception):
    pass


class Body:
    """A file some times over and an end of its own: a digest of its own."""

    def __init__(self, source, times=1, chunked=False):
        self.source = source
        self.times = times
        self.chunked = chunked
        self.tail = os.urandom(32)
        self.size = times * source.size + len(self.tail)

        state = source.state.copy()
        for _ in range(times - 1):
            state.update(source.data)
        state.update(self.tail)
        self.digest = 'sha256:' + state.hexdigest()

    def headers(self):
        if self.chunked:
            return {'Transfer-Encoding': 'chunked'}
        return {'Content-Length': self.size}

    def send(self, sock):
        if not self.chunked:
            for _ in range(self.times):
                with open(self.source.path, 'rb') as f:
                    sock.sendfile(f)
            sock.sendall(self.tail)
            return

        with memoryview(self.source.data) as view:
            for _ in range(self.times):
                for at in range(0, self.source.size, CHUNK):
                    self.send_chunk(sock, view[at:at + CHUNK])
        self.send_chunk(sock, memoryview(self.tail))
        sock.sendall(b'0\r\n\r\n')

    @staticmethod
    def send_chunk(sock, piece):
        head = b'%x\r\n' % len(piece)
        total = len(head) + len(piece) + 2
        if isinstance(sock, ssl.SSLSocket):
            sock.sendall(head + bytes(piece) + b'\r\n')
            piece.release()
            return
        sent = sock.sendmsg([head, piece, b'\r\n'])
        if sent < total:
            sock.sendall((head + bytes(piece) + b'\r\n')[sent:])
        piece.release()


class Source:
    """Random bytes in a file, hashed once."""

    def __init__(self, path, size):
        self.path = path
        self.size = size
        with open(path, 'wb') as f:
            for at in range(0, size, 1 << 20):
                f.write(os.urandom(min(1 << 20, size - at)))
        with open(path, 'rb') as f:
            self.data = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
        self.state = hashlib.sha256(self.data)


class Client:
    """discard: the kernel throws a body away, which costs no copy."""

    def __init__(self, base, headers=(), discard=False):
        url = urllib.parse.urlsplit(base)
        self.address = (url.hostname, url.port)
        self.tls = url.scheme == 'https' and ssl._create_unverified_context()
        self.headers = dict(headers)
        self.flags = socket.MSG_TRUNC if discard else 0
        self.sock = None
        self.data = bytearray(BLOCK)
        self.view = memoryview(self.data)

    def close(self):
        if self.sock:
            self.sock.close()
            self.sock = None

    def connect(self):
        if self.sock is None:
            self.sock = socket.create_connection(self.address)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                self.sock = self.tls.wrap_socket(self.sock)

    def acknowledge(self):
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def request(self, method, url, headers=(), body=b'', keep=False):
        """Status, headers in lower case, and the body if it is to be kept."""
        url = urllib.parse.urlsplit(url)
        target = url.path + ('?' + url.query if url.query else '')
        fields = {'Host': '%s:%d' % self.address, **self.headers,
                  **dict(headers)}

        if isinstance(body, Body):
            fields.update(body.headers())
        elif body or method in ('PUT', 'POST', 'PATCH'):
            fields['Content-Length'] = len(body)

        text = '%s %s HTTP/1.1\r\n%s\r\n' % (method, target, ''.join(
            '%s: %s\r\n' % field for field in fields.items()))

        self.connect()

        if isinstance(body, Body):
            self.sock.sendall(text.encode())
            body.send(self.sock)
        else:
            self.sock.sendall(text.encode() + body)

        return self.reply(method, keep)

    def reply(self, method, keep):
        self.acknowledge()
        head = b''
        while b'\r\n\r\n' not in head:
            piece = self.sock.recv(65536)
            if not piece:
                self.close()
                raise Failed('no reply to %s' % method)
            head += piece

        head, _, rest = head.partition(b'\r\n\r\n')
        lines = head.decode('latin-1').split('\r\n')
        status = int(lines[0].split()[1])

        if status == 100:
            raise Failed('100 was not asked for')

        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(':')
            headers[name.strip().lower()] = value.strip()

        self.acknowledge()

        if method == 'HEAD' or status == 204:
            text = b''
        elif headers.get('transfer-encoding') == 'chunked':
            text = self.chunks(rest)
        else:
            text = self.rest(int(headers.get('content-length', 0)), rest,
                             keep or status >= 400)

        if headers.get('connection', '').lower() == 'close':
            self.close()
        if status >= 400:
            raise Failed('%s: %d %s' % (method, status, text.decode()))
        return status, headers, text

    def rest(self, length, first, keep):
        left = length - len(first)
        kept = [first]
        while left > 0:
            n = self.sock.recv_into(self.view, min(left, BLOCK),
                                    0 if keep else self.flags)
            if n == 0:
                self.close()
                raise Failed('%d bytes are missing' % left)
            if keep:
                kept.append(bytes(self.view[:n]))
            left -= n
        return b''.join(kept) if keep else b''

    def chunks(self, data):
        """Small replies only."""
        text = b''
        while True:
            while b'\r\n' not in data:
                data += self.sock.recv(65536)
            size, _, data = data.partition(b'\r\n')
            size = int(size.split(b';')[0], 16)
            while len(data) < size + 2:
                data += self.sock.recv(65536)
            text += data[:size]
            data = data[size + 2:]
            if size == 0:
                return text
