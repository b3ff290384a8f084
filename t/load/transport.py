"""HTTP/1.1 and HTTP/2 on asyncio, a request at a time on a connection that is
kept, cheap enough for hundreds of clients in one process.

    reply = await connection.request('PUT', path, headers, body, chunked=True)

A client that leaves in the middle says where: leave=n, after n bytes of its
body; leave_reply=n, after n bytes of the answer's.
"""

import asyncio
import socket
import ssl

import h2.config
import h2.connection
import h2.events
import h2.exceptions

CHUNK = 64 * 1024


class Gone(Exception):
    """There was no whole answer; "began": some of it was there."""

    def __init__(self, why, began=False):
        super().__init__(why)
        self.began = began


class Left(Exception):
    """We went away, as told."""


class Reply:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body


def tls(protocol):
    context = ssl._create_unverified_context()
    context.set_alpn_protocols([protocol])
    return context


class Connection:
    def __init__(self, port, context=None, timeout=120):
        self.port = port
        self.context = context
        self.timeout = timeout
        self.writer = None

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection(
            '127.0.0.1', self.port, ssl=self.context, limit=256 * 1024)
        sock = self.writer.get_extra_info('socket')
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        if self.writer:
            self.writer.transport.abort()
            self.writer = None

    async def request(self, method, path, headers=(), body=b'',
                      chunked=False, leave=None, leave_reply=None):
        try:
            return await asyncio.wait_for(
                self.exchange(method, path, headers, body, chunked, leave,
                              leave_reply), self.timeout)

        except asyncio.TimeoutError:
            self.close()
            raise Gone('no end of the answer')

        except (OSError, asyncio.IncompleteReadError,
                h2.exceptions.H2Error) as e:
            self.close()
            raise Gone(repr(e), getattr(self, 'began', False))

        except (Gone, Left):
            self.close()
            raise


class Http1(Connection):
    async def exchange(self, method, path, headers, body, chunked, leave,
                       leave_reply):
        self.began = False

        if self.writer is None:
            await self.open()

        head = ['%s %s HTTP/1.1' % (method, path), 'Host: localhost']
        head += ['%s: %s' % h for h in headers]
        if chunked:
            head.append('Transfer-Encoding: chunked')
        elif body or method in ('PUT', 'POST', 'PATCH'):
            head.append('Content-Length: %d' % len(body))
        self.writer.write(('\r\n'.join(head) + '\r\n\r\n').encode())

        sending = asyncio.ensure_future(self.send(body, chunked, leave))
        try:
            reply = await self.reply(method, leave_reply, sending)
        finally:
            if not sending.done():
                self.close()            # answered before it had all
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

        if 'close' in reply.headers.get('connection', ''):
            self.close()
        return reply

    async def send(self, body, chunked, leave):
        view = memoryview(body)
        writer = self.writer
        for at in range(0, len(view), CHUNK):
            piece = view[at:at + CHUNK]
            frame = b'%x\r\n' % len(piece) if chunked else b''
            if leave is not None and at + len(piece) > leave:
                writer.write(frame + piece[:leave - at])
                await writer.drain()
                self.close()
                return
            writer.write(frame + piece + (b'\r\n' if chunked else b''))
            await writer.drain()
        if chunked:
            writer.write(b'0\r\n\r\n')
        await writer.drain()
        if leave is not None:
            self.close()

    async def reply(self, method, leave_reply, sending):
        try:
            head = await self.reader.readuntil(b'\r\n\r\n')
        except asyncio.IncompleteReadError:
            if self.writer is None:
                raise Left()
            raise
        lines = head.decode('latin-1').split('\r\n')
        status = int(lines[0].split()[1])
        fields = {}
        for line in lines[1:-2]:
            name, _, value = line.partition(':')
            fields[name.strip().lower()] = value.strip()

        self.began = True
        if method == 'HEAD' or status in (204, 304):
            return Reply(status, fields, b'')
        if fields.get('transfer-encoding') == 'chunked':
            return Reply(status, fields, await self.chunks())

        length = int(fields['content-length'])
        if leave_reply is not None and leave_reply < length:
            await self.reader.readexactly(leave_reply)
            raise Left()
        return Reply(status, fields, await self.reader.readexactly(length))

    async def chunks(self):
        body = b''
        while True:
            size = int(await self.reader.readuntil(b'\r\n'), 16)
            body += (await self.reader.readexactly(size + 2))[:-2]
            if not size:
                return body


class Http2(Connection):
    async def open(self):
        await super().open()
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            header_encoding='utf-8', validate_inbound_headers=False))
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(1 << 24)
        self.h2.update_settings({4: 1 << 24})       # INITIAL_WINDOW_SIZE
        self.flush()

    def flush(self):
        self.writer.write(self.h2.data_to_send())

    async def exchange(self, method, path, headers, body, chunked, leave,
                       leave_reply):
        self.began = False

        if self.writer is None:
            await self.open()

        fields = [(':method', method), (':scheme', 'https'),
                  (':authority', 'localhost'), (':path', path)]
        fields += [(k.lower(), v) for k, v in headers]
        if not chunked and (body or method in ('PUT', 'POST', 'PATCH')):
            fields.append(('content-length', str(len(body))))

        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, fields, end_stream=not body)

        status, answer, got, sent = None, {}, [], 0
        view = memoryview(body)

        while True:
            while sent < len(view):
                size = min(self.h2.local_flow_control_window(stream),
                           self.h2.max_outbound_frame_size,
                           len(view) - sent)
                if size <= 0:
                    break
                if leave is not None and sent + size > leave:
                    self.flush()
                    raise Left()
                self.h2.send_data(stream, bytes(view[sent:sent + size]),
                                  end_stream=sent + size == len(view))
                sent += size
            self.flush()
            await self.writer.drain()

            if leave is not None and sent == len(view):
                raise Left()
            data = await self.reader.read(CHUNK)
            if not data:
                raise Gone('closed', status is not None)

            for event in self.h2.receive_data(data):
                if isinstance(event, h2.events.ConnectionTerminated):
                    raise Gone('GOAWAY', status is not None)
                if getattr(event, 'stream_id', None) != stream:
                    continue
                if isinstance(event, h2.events.ResponseReceived):
                    answer = dict(event.headers)
                    status = int(answer[':status'])
                    self.began = True
                elif isinstance(event, h2.events.DataReceived):
                    got.append(event.data)
                    self.h2.acknowledge_received_data(
                        event.flow_controlled_length, stream)
                    if (leave_reply is not None
                            and sum(map(len, got)) > leave_reply):
                        raise Left()
                elif isinstance(event, h2.events.StreamReset):
                    if status and sent < len(view) and event.error_code == 0:
                        return self.ended(status, answer, got, method)
                    raise Gone('the stream was reset', status is not None)
                elif isinstance(event, h2.events.StreamEnded):
                    return self.ended(status, answer, got, method,
                                      sent < len(view) and stream)

    def ended(self, status, answer, got, method, unsent=0):
        if unsent:
            self.close()
        body = b''.join(got)
        length = answer.get('content-length')
        if method != 'HEAD' and length is not None \
                and int(length) != len(body):
            raise Gone('%d bytes of %s' % (len(body), length), True)
        return Reply(status, answer, body)
