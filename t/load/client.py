"""Many clients that push and pull, and know what must be there.

    client.py OPTIONS               (JSON, see main(); the result goes to "out")

Each has a repository of its own, so that it knows what is in it, and works
through one node ("home"), but sends parts of its uploads through any.  What
was acknowledged must be there, bit by bit; of what failed it knows nothing and
never uses that name again ("burnt").  After a part of the time all stop, say
"idle" and wait for a line on standard input, so that what a node has then can
be compared with what it has at the end.
"""

import asyncio
import collections
import hashlib
import json
import logging
import random
import sys
import time

import transport
from transport import Gone, Left

OCTETS = ('Content-Type', 'application/octet-stream')
OCI = 'application/vnd.oci.image.manifest.v1+json'
KEEP = 16                               # blobs of a client

POOL = random.Random(1).randbytes(5 << 20)


class Failed(Exception):
    """Allowed: a fault, and said so."""


class Result:
    def __init__(self):
        self.statuses = collections.Counter()
        self.operations = collections.Counter()
        self.failed = collections.Counter()
        self.bytes = collections.Counter()
        self.times = []
        self.wrong = []

    def bad(self, text):
        if len(self.wrong) < 200:
            self.wrong.append('%.3f %s' % (time.time(), text))


class Blob:
    """Bytes that nobody else has, made anew when they are needed."""

    def __init__(self, rng):
        self.seed = rng.getrandbits(64)
        what = rng.random()
        self.size = (rng.randrange(2, 4096) if what < 0.5 else
                     rng.randrange(4096, 65536) if what < 0.8 else
                     rng.randrange(65536, 1 << 19) if what < 0.96 else
                     rng.randrange(1 << 19, 4 << 20)) if what > 0.01 else 0
        self.digest = 'sha256:' + hashlib.sha256(self.bytes()).hexdigest()

    def bytes(self):
        head = hashlib.sha256(b'%d' % self.seed).digest()
        at = self.seed % (1 << 20)
        return (head + POOL[at:at + self.size])[:self.size]


class Client:
    def __init__(self, n, options, result):
        self.n = n
        self.o = options
        self.result = result
        self.rng = random.Random('%s %d' % (options['seed'], n))
        self.repo = '%s/c%d' % (options['prefix'], n)
        self.home = n % len(options['nodes'])
        self.connections = [self.connect(node, n % 10)
                            for node in options['nodes']]
        self.blobs = {}                 # digest: Blob, acknowledged
        self.burnt = set()              # digests, tags
        self.manifests = {}             # digest: bytes
        self.tags = {}                  # tag: digest
        self.count = 0

    @staticmethod
    def connect(node, kind):
        if kind < 6:
            return transport.Http1(node['plain'])
        if kind < 9:
            return transport.Http1(node['tls'], transport.tls('http/1.1'))
        return transport.Http2(node['tls'], transport.tls('h2'))

    def close(self):
        for c in self.connections:
            c.close()

    # ---- requests

    async def ask(self, due, method, path, headers=(), body=b'', node=None,
                  gone=False, **more):
        """The reply, if its status is one of those due; Failed for 503, and
        when there is no whole answer where that may be: through a node whose
        workers are killed, or in a body that has begun ("gone")."""
        node = self.home if node is None else node
        began = time.monotonic()
        what = '%s %s' % (method, path.partition('?')[0])

        try:
            r = await self.connections[node].request(
                method, path, headers, body, **more)
        except Gone as e:
            self.result.statuses['%s -' % method] += 1
            if not (self.o['nodes'][node]['killed'] or (gone and e.began)):
                self.result.bad('%s: %s' % (what, e))
            raise Failed('gone')

        self.result.times.append(time.monotonic() - began)
        self.result.statuses['%s %d' % (method, r.status)] += 1
        self.result.bytes['up'] += len(body)
        self.result.bytes['down'] += len(r.body)

        if r.status in due:
            return r

        if r.status == 503:
            if method != 'HEAD':
                try:
                    assert json.loads(r.body)['errors'][0]['code']
                    assert r.headers['retry-after']
                except (ValueError, KeyError, AssertionError):
                    self.result.bad('%s: 503 without JSON or Retry-After, %s'
                                    % (what, r.body[:200]))
            raise Failed('503')

        self.result.bad('%s: %d, not %s: %s %s' % (
            what, r.status, due, r.body[:300], r.headers.get('range', '')))
        raise Failed('wrong')

    def v2(self, rest):
        return '/v2/%s/%s' % (self.repo, rest)

    def somewhere(self):
        """Any node, for what leaves nothing in its cache."""
        return self.rng.randrange(len(self.connections))

    @staticmethod
    def with_digest(location, digest):
        return (path_of(location) + ('&' if '?' in location else '?')
                + 'digest=' + digest)

    # ---- pushes

    async def begin(self):
        r = await self.ask((202,), 'POST', self.v2('blobs/uploads/'))
        return path_of(r.headers['location'])

    async def finish(self, blob, location, body=b'', again=True, **more):
        self.burnt.add(blob.digest)     # until it is acknowledged
        url = self.with_digest(location, blob.digest)
        try:
            r = await self.ask((201,), 'PUT', url, [OCTETS], body, **more)
        except Failed:
            if not again or self.rng.random() < 0.3:
                raise
            r = await self.ask((201,), 'PUT', url, [OCTETS], body, **more)
        self.pushed(blob, r)

    def pushed(self, blob, r):
        if r.headers.get('docker-content-digest') != blob.digest:
            self.result.bad('pushed %s, was told %s' % (
                blob.digest, r.headers.get('docker-content-digest')))
        self.burnt.discard(blob.digest)
        self.blobs[blob.digest] = blob

    async def push_parts(self):
        blob = Blob(self.rng)
        data = blob.bytes()
        location = await self.begin()
        ends = sorted(self.rng.randrange(2, len(data) + 1) for _ in range(
            self.rng.randrange(3) if data else 0)) + [len(data)]
        at = 0
        tries = 4

        while at < len(data):
            end = next(e for e in ends if e > at)
            try:
                r = await self.ask((202,) if tries == 4 else (202, 416),
                                   'PATCH', location, [OCTETS],
                                   data[at:end], node=self.somewhere(),
                                   chunked=self.rng.random() < 0.7)
                location = path_of(r.headers['location'])
                at = self.offset(r, end if r.status == 202 else 0, len(data))
            except Failed:
                tries -= 1
                if not tries:
                    raise
                r = await self.ask((204,), 'GET', location)
                location = path_of(r.headers.get('location', location))
                at = self.offset(r, 0, len(data))

        await self.finish(blob, location)

    def offset(self, r, low, high):
        at = int(r.headers['range'].split('-')[1])
        at += at > 0                    # "0-0" is nothing
        if not low <= at <= high:
            self.result.bad('upload: Range %s, %d to %d are due'
                            % (r.headers['range'], low, high))
            raise Failed('wrong')
        return at

    async def push_whole(self):
        blob = Blob(self.rng)
        location = await self.begin()
        await self.finish(blob, location, blob.bytes(), again=True)

    async def push_once(self):
        blob = Blob(self.rng)
        self.burnt.add(blob.digest)
        r = await self.ask(
            (201,), 'POST', self.v2('blobs/uploads/?digest=' + blob.digest),
            [OCTETS], blob.bytes())
        self.pushed(blob, r)

    async def push_wrong(self):
        blob = Blob(self.rng)
        digest = 'sha256:' + hashlib.sha256(b'%d' % blob.seed).hexdigest()
        location = await self.begin()
        r = await self.ask((400,), 'PUT', self.with_digest(location, digest),
                           [OCTETS], blob.bytes())
        if b'DIGEST_INVALID' not in r.body:
            self.result.bad('other bytes: %s' % r.body)
        await self.ask((404,), 'HEAD', self.v2('blobs/' + digest))

    async def mount(self):
        blob = self.rng.choice(self.o['base'])
        if blob.digest in self.burnt:
            return
        self.burnt.add(blob.digest)
        r = await self.ask(
            (201,), 'POST', self.v2('blobs/uploads/?mount=%s&from=%s/base' % (
                blob.digest, self.o['prefix'])))
        self.pushed(blob, r)

    async def cancel(self):
        location = await self.begin()
        r = await self.ask((202,), 'PATCH', location, [OCTETS], b'x' * 5000)
        await self.ask((204,), 'DELETE', path_of(r.headers['location']))

    async def leave_push(self):
        blob = Blob(self.rng)
        data = blob.bytes()
        self.burnt.add(blob.digest)
        location = await self.begin()
        leave = self.rng.randrange(len(data) + 1)
        try:
            if self.rng.random() < 0.5:
                await self.ask((), 'PATCH', location, [OCTETS], data,
                               chunked=True, leave=leave)
            else:
                await self.ask((), 'PUT', self.with_digest(
                    location, blob.digest), [OCTETS], data, leave=leave)
        except (Left, Failed):
            pass

    async def put_manifest(self):
        layers = self.some(self.blobs, self.rng.randrange(1, 5))
        if not layers:
            return
        uses = [self.blobs[d] for d in layers]
        media = 'application/vnd.oci.image.%s'
        text = json.dumps({
            'schemaVersion': 2, 'mediaType': OCI,
            'config': {'mediaType': media % 'config.v1+json',
                       'digest': layers[0], 'size': uses[0].size},
            'layers': [{'mediaType': media % 'layer.v1.tar+gzip',
                        'digest': b.digest, 'size': b.size}
                       for b in uses[1:]],
            'annotations': {'by': '%d %d' % (self.n, self.count)},
        }).encode()
        digest = 'sha256:' + hashlib.sha256(text).hexdigest()

        old = [t for t in self.tags]
        tag = (self.rng.choice(old) if old and self.rng.random() < 0.3
               else 't%d' % self.count)
        by_tag = self.rng.random() < 0.8
        before = self.tags.pop(tag, None) if by_tag else None
        self.burnt.add(digest)
        self.burnt.add(tag)             # a tag that failed is either of both

        r = await self.ask((201,), 'PUT',
                           self.v2('manifests/' + (tag if by_tag else digest)),
                           [('Content-Type', OCI)], text)
        self.burnt.discard(digest)
        self.manifests[digest] = text
        if by_tag:
            self.burnt.discard(tag)
            self.tags[tag] = digest
        if r.headers.get('docker-content-digest') != digest:
            self.result.bad('the manifest is %s' % r.headers)

    # ---- pulls

    def some(self, things, n):
        """In an order that a seed repeats."""
        return self.rng.sample(list(things), min(n, len(things)))

    async def pull_blob(self, digest=None, node=None):
        for d in [digest] if digest else self.some(self.blobs, 1):
            blob = self.blobs[d]
            r = await self.ask((200,), 'GET', self.v2('blobs/' + d),
                               node=node, gone=True)
            if r.body != blob.bytes():
                self.result.bad('%s of %s has other bytes' % (d, self.repo))

    async def pull_range(self):
        for d in self.some(self.blobs, 1):
            blob = self.blobs[d]
            if not blob.size:
                continue
            first = self.rng.randrange(blob.size)
            last = self.rng.randrange(first, blob.size)
            r = await self.ask((206,), 'GET', self.v2('blobs/' + d),
                               [('Range', 'bytes=%d-%d' % (first, last))],
                               gone=True)
            if r.body != blob.bytes()[first:last + 1]:
                self.result.bad('%d-%d of %s has other bytes'
                                % (first, last, d))

    async def leave_pull(self):
        for d in self.some(self.blobs, 1):
            try:
                await self.ask((200,), 'GET', self.v2('blobs/' + d),
                               gone=True, leave_reply=self.rng.randrange(
                                   self.blobs[d].size + 1))
            except Left:
                pass

    async def head_blob(self):
        for d in self.some(self.blobs, 1):
            r = await self.ask((200,), 'HEAD', self.v2('blobs/' + d))
            if r.headers['content-length'] != str(self.blobs[d].size):
                self.result.bad('HEAD of %s: %s' % (d, r.headers))

    async def pull_manifest(self, digest=None, node=None, method='GET'):
        for d in [digest] if digest else self.some(self.manifests, 1):
            await self.manifest_is(d, d, method, node)

    async def pull_tag(self, tag=None, node=None, method='GET'):
        for t in [tag] if tag else self.some(self.tags, 1):
            await self.manifest_is(t, self.tags[t], method, node)

    async def manifest_is(self, reference, digest, method, node):
        r = await self.ask((200,), method, self.v2('manifests/' + reference),
                           [('Accept', OCI)], node=node)
        if r.headers.get('docker-content-digest') != digest:
            self.result.bad('%s %s is %s, not %s' % (
                self.repo, reference,
                r.headers.get('docker-content-digest'), digest))
        elif method == 'GET' and r.body != self.manifests[digest]:
            self.result.bad('manifest %s has other bytes' % digest)

    async def head_manifest(self):
        await self.pull_manifest(method='HEAD')
        await self.pull_tag(method='HEAD')

    async def list_tags(self, node=None):
        if not self.tags:
            return
        r = await self.ask((200,), 'GET', self.v2('tags/list'), node=node)
        got = json.loads(r.body)['tags']
        if got != sorted(got) or not set(self.tags) <= set(got) \
                or not set(got) <= set(self.tags) | self.burnt:
            self.result.bad('tags of %s are %s, not %s' % (
                self.repo, got, sorted(self.tags)))

    async def list_catalog(self):
        await self.ask((200,), 'GET', '/v2/_catalog?n=4&last=' + self.repo)

    async def missing(self):
        await self.ask((404,), 'GET', self.v2(
            'manifests/none%d' % self.count))
        await self.ask((404,), 'HEAD', self.v2(
            'blobs/sha256:' + hashlib.sha256(b'%d' % self.count).hexdigest()))

    # ---- deletes: 404 when nginx had to ask twice, and the first was done

    def own(self):
        """What it has that nobody else has: no empty one, none to mount."""
        return [d for d, b in self.blobs.items()
                if b.size and b not in self.o['base']]

    async def delete_blob(self):
        for d in self.own()[:1]:
            del self.blobs[d]
            self.burnt.add(d)
            await self.ask((202, 404), 'DELETE', self.v2('blobs/' + d))
            await self.ask((404,), 'GET', self.v2('blobs/' + d))

    async def delete_tag(self):
        for t in self.some(self.tags, 1):
            del self.tags[t]
            self.burnt.add(t)
            await self.ask((202, 404), 'DELETE', self.v2('manifests/' + t))
            await self.ask((404,), 'GET', self.v2('manifests/' + t))

    async def delete_manifest(self):
        for d in self.some(self.manifests, 1):
            del self.manifests[d]
            for t in [t for t in self.tags if self.tags[t] == d]:
                del self.tags[t]
                self.burnt.add(t)
            self.burnt.add(d)
            await self.ask((202, 404), 'DELETE', self.v2('manifests/' + d))
            await self.ask((404,), 'GET', self.v2('manifests/' + d))

    # ---- a life

    WEIGHTS = {
        'push_parts': 8, 'push_whole': 6, 'push_once': 6, 'push_wrong': 2,
        'mount': 3, 'cancel': 1, 'leave_push': 3, 'put_manifest': 10,
        'pull_blob': 16, 'pull_range': 8, 'leave_pull': 3, 'head_blob': 6,
        'pull_manifest': 8, 'pull_tag': 10, 'head_manifest': 4,
        'list_tags': 4, 'list_catalog': 1, 'missing': 2,
        'delete_blob': 3, 'delete_tag': 2, 'delete_manifest': 3,
    }

    async def live(self, end):
        names, weights = zip(*self.WEIGHTS.items())

        while time.monotonic() < end:
            self.count += 1
            name = self.rng.choices(names, weights)[0]
            if len(self.own()) > KEEP:
                name = 'delete_blob'
            elif len(self.manifests) > KEEP:
                name = 'delete_manifest'
            await self.do(name)
            await asyncio.sleep(0)

        self.close()

    async def do(self, name, *arguments, **more):
        self.result.operations[name] += 1
        try:
            await getattr(self, name)(*arguments, **more)
        except Failed as e:
            self.result.failed['%s: %s' % (name, e)] += 1
            return False
        return True

    async def verify(self, gate):
        """All that was acknowledged, through each node."""
        for node in range(len(self.connections)):
            for name, things in (('pull_blob', self.blobs),
                                 ('pull_manifest', self.manifests),
                                 ('pull_tag', self.tags)):
                for thing in list(things):
                    async with gate:
                        ok = await self.do(name, thing, node=node)
                    self.result.operations['verified'] += ok
                    if not ok:
                        self.result.bad('%s %s could not be verified'
                                        % (self.repo, thing))
            async with gate:
                await self.do('list_tags', node=node)
        self.close()


def path_of(location):
    return location if location[0] == '/' else '/' + location.split('/', 3)[3]


async def wait_for_line():
    await asyncio.get_running_loop().run_in_executor(None,
                                                     sys.stdin.readline)


async def main(o):
    result = Result()
    rng = random.Random(o['seed'])

    # what all mount
    o['base'] = []
    base = Client(0, o, result)
    base.repo = o['prefix'] + '/base'
    while len(o['base']) < 20:
        if not await base.do('push_once'):
            continue
        o['base'] = [b for b in base.blobs.values() if b.size]
    base.close()
    result.__init__()

    clients = [Client(n, o, result) for n in range(o['clients'])]
    began = time.monotonic()

    for seconds in (o['seconds'] * 0.3, o['seconds'] * 0.7):
        print('running', flush=True)
        end = time.monotonic() + seconds
        await asyncio.gather(*(c.live(end) for c in clients))
        print('idle', flush=True)
        await wait_for_line()

    spent = time.monotonic() - began

    # no faults any more: all has to succeed, through the ports told
    for node, ports in zip(o['nodes'], o['calm']):
        node.update(ports)
    for c in clients:
        c.connections = [c.connect(node, c.n % 10) for node in o['nodes']]
    load, calm = result, Result()
    for c in clients:
        c.result = calm
    gate = asyncio.Semaphore(24)
    await asyncio.gather(*(c.verify(gate) for c in clients))

    load.times.sort()
    at = lambda p: round(load.times[int(p * (len(load.times) - 1))], 3)
    with open(o['out'], 'w') as f:
        json.dump({
            'seconds': round(spent, 1), 'requests': len(load.times),
            'statuses': load.statuses, 'operations': load.operations,
            'failed': load.failed, 'bytes': load.bytes,
            'p50': at(0.5), 'p99': at(0.99), 'max': at(1),
            'wrong': load.wrong + calm.wrong,
            'verified': calm.operations['verified'],
            'verify_failed': calm.failed,
        }, f, indent=1)
    print('done', flush=True)


if __name__ == '__main__':
    # it tells of each connection that was closed before it was used
    logging.getLogger('asyncio').setLevel(logging.CRITICAL)
    asyncio.run(main(json.loads(sys.argv[1])))
