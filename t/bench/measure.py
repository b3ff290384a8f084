"""The measurements: each a list of rows, a figure for each that took part."""

import re
import statistics
import subprocess
import sys
import threading
import time

from client import Body, Source
from peers import (ASKED, COLD, DISK, MODULE, REFERENCE, RGW, SEVERAL, TLS,
                   TYPE, Requests, digest_of, fill, run)

MB = 1000000
OCI = 'application/vnd.oci.'


def progress(text):
    print('bench: %s' % text, file=sys.stderr, flush=True)


def timed(what, *args):
    start = time.monotonic()
    what(*args)
    return time.monotonic() - start


def at_once(count, what):
    """Seconds until all have ended; what() gets a number."""
    failed = []

    def one(n):
        try:
            what(n)
        except Exception as e:
            failed.append(e)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(count)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - start
    if failed:
        raise failed[0]
    return seconds


class Table:
    """Figures by row and column; a cell is the median of its rounds."""

    def __init__(self, name, unit, digits):
        self.name = name
        self.unit = unit
        self.digits = digits
        self.cells = {}

    def add(self, row, column, value):
        self.cells.setdefault(row, {}).setdefault(column, []).append(value)

    def result(self):
        return {'name': self.name, 'unit': self.unit, 'rows': [
            {'what': row, **{
                column: {'median': round(statistics.median(v), self.digits),
                         'min': round(min(v), self.digits),
                         'max': round(max(v), self.digits)}
                for column, v in columns.items()}}
            for row, columns in self.cells.items()]}


def in_turns(peers, names, n):
    first = n % len(names)
    return [peers[name] for name in names[first:] + names[:first]]


class Peak:
    """The most memory that a server had beyond what it had before."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.before = self.top = self.server.memory()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.ended.wait(0.05):
            self.top = max(self.top, self.server.memory())

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()
        self.mb = (self.top - self.before) / MB


def one_client(peers, work, options):
    source = Source(work + '/one', options.size * MB)
    seconds = Table('A blob of %d MB, one client' % options.size, 's', 3)
    cpu = Table('CPU of the registry', 's/GB', 2)

    def step(row, peer, what, *args):
        before = peer.server.cpu() if peer.server else 0
        column = {TLS: MODULE, COLD: MODULE, DISK: MODULE}.get(peer.name,
                                                               peer.name)
        seconds.add(row, column, timed(what, *args))
        if peer.server:
            cpu.add(row, column, (peer.server.cpu() - before) * 1000
                    / options.size)

    for n in range(options.rounds):
        for peer in in_turns(peers, [RGW, COLD, REFERENCE], n):
            client = peer.client()
            # a connection is there, as docker's is
            if peer.name != RGW:
                client.request('GET', peer.base + '/v2/')
            body = Body(source)
            step('push (POST, PATCH, PUT)', peer, peer.push, client, body)
            step('pull', peer, peer.pull, client, body.digest)
            whole = Body(source)
            step('push (POST, PUT)', peer, peer.push_whole, client, whole)
            for digest in (body.digest, whole.digest):
                if peer.name != COLD or digest != body.digest:
                    peer.forget(client, digest)
            client.close()

            if peer.name == COLD:
                disk = peers[DISK]
                client = disk.client()
                step('pull, disk cache empty', disk, disk.pull, client,
                     body.digest)
                disk.pull(client, body.digest)
                step('pull, out of the disk cache', disk, disk.pull, client,
                     body.digest)
                client.close()
                tls = peers[TLS]
                client = tls.client()
                step('pull over TLS', tls, tls.pull, client, body.digest)
                client.close()
                peer.forget(peer.client(), body.digest)
        progress('one client: round %d of %d' % (n + 1, options.rounds))
    return [seconds.result(), cpu.result()]


def many_clients(peers, work, options):
    """The pulls are of one blob, the pushes of one each."""
    rounds = 1 if options.quick else 2
    pulled = Source(work + '/pulled', options.size * MB)
    pushed = Source(work + '/pushed', options.size * MB // 4)
    seconds = Table('Many clients at once', 's', 2)
    memory = Table('Memory that they take', 'MB', 1)
    names = [RGW, COLD, REFERENCE]

    def measure(row, column, peer, count, what):
        if not peer.server:
            seconds.add(row, column, at_once(count, what))
            return
        with Peak(peer.server) as peak:
            seconds.add(row, column, at_once(count, what))
        memory.add(row, column, peak.mb)

    for n in range(rounds):
        for count in (8, 32):
            for peer in in_turns(peers, names, n):
                bodies = [Body(pushed) for _ in range(count)]
                column = MODULE if peer.name == COLD else peer.name
                measure('%d push %d MB each' % (count, pushed.size // MB),
                        column, peer, count,
                        lambda n: peer.push(peer.client(), bodies[n]))

                for body in bodies:
                    peer.forget(peer.client(), body.digest)
                body = Body(pulled)
                peer.push_whole(peer.client(), body)

                def pull(n, peer=peer, body=body):
                    peer.pull(peer.client(discard=True), body.digest)

                row = '%d pull %d MB each' % (count, pulled.size // MB)
                measure(row, column, peer, count, pull)
                if peer.name == COLD:
                    disk = peers[DISK]
                    disk.pull(disk.client(), body.digest)
                    disk.pull(disk.client(), body.digest)
                    measure(row + ', out of the disk cache', MODULE, disk,
                            count, lambda n: pull(n, disk, body))
                peer.forget(peer.client(), body.digest)
        progress('many clients: round %d of %d' % (n + 1, rounds))
    return [seconds.result(), memory.result()]


def herd(peers, work, options):
    """New bytes, that all want at the same moment."""
    requests = Requests(options.env)
    count = 50 if options.quick else 200
    disk = peers[DISK]
    body = Body(Source(work + '/herd', options.size * MB))
    disk.push_whole(disk.client(), body)

    table = Table('%d clients at once pull one new blob of %d MB'
                  % (count, options.size), '', 2)
    before = requests.count() if requests.path else None
    with Peak(disk.server) as peak:
        seconds = at_once(count, lambda n: disk.pull(
            disk.client(discard=True), body.digest))
    table.add('seconds', MODULE, seconds)
    table.add('GB/s to the clients', MODULE,
              count * body.size / 1e9 / seconds)
    table.add('memory, MB', MODULE, peak.mb)
    if requests.path:
        got, sent = requests.count()
        table.add('requests of RGW', MODULE, got - before[0])
        table.add('bytes of RGW, in sizes of the blob', MODULE,
                  (sent - before[1]) / body.size)
    disk.forget(disk.client(), body.digest)
    progress('%d clients' % count)
    return [table.result()]


def rate_own(peer, request, seconds):
    """Requests per second on 8 connections that acknowledge at once."""
    return rate_each(peer, lambda n: request, seconds)


def rate_each(peer, request, seconds):
    """The same; each connection asks for something of its own."""
    done = [0] * 8
    end = time.monotonic() + seconds

    def work(n):
        client = peer.client()
        method, url, headers = request(n)
        while time.monotonic() < end:
            client.request(method, url, headers)
            done[n] += 1
        client.close()

    spent = at_once(8, work)
    return sum(done) / spent


def rate_fast(request, seconds, more=()):
    """The same of a client in C, where one in Python is too slow."""
    method, url, headers = request
    headers = {**headers, **dict(more)}
    text = run('ab', '-q', '-k', '-c', '8', '-t', str(seconds),
               '-n', '10000000', *(['-i'] if method == 'HEAD' else []),
               *(arg for field in headers.items()
                 for arg in ('-H', '%s: %s' % field)), url,
               stderr=subprocess.DEVNULL)
    if re.search(r'Non-2xx|Failed requests: +[1-9]', text):
        sys.exit('bench: %s %s\n%s' % (method, url, text))
    return float(re.search(r'Requests per second: +([\d.]+)', text)[1])


def small(peers, work, options):
    """Per second."""
    rounds = 1 if options.quick else 3
    table = Table('Small requests', '/s', 0)
    source = Source(work + '/small', 10000)
    tags = 100
    what = {}

    for peer in (peers[MODULE], peers[REFERENCE]):
        client = peer.client()
        text, layer = peer.push_image(client, source)
        digest = digest_of(text)
        fill(peers[RGW], peer.container, tags)
        if peer.name == MODULE:
            own = text
        what[peer.name] = {
            'GET manifest by tag': ('GET', 'manifests/v1'),
            'GET manifest by digest': ('GET', 'manifests/' + digest),
            'HEAD manifest by tag': ('HEAD', 'manifests/v1'),
            'GET blob of 10 KB': ('GET', 'blobs/' + layer),
            'HEAD blob': ('HEAD', 'blobs/' + layer),
            'tags/list': ('GET', 'tags/list'),
            'tags/list?n=100 of %d' % tags: ('GET', '/big/tags/list?n=100'),
            '_catalog?n=10': ('GET', '_catalog?n=10')}
        if peer.name == MODULE:
            for n in range(3):
                peer.push_image(client, source, {
                    'artifactType': OCI + 'bench', 'annotations':
                    {'n': str(n)}, 'subject': {
                        'mediaType': TYPE, 'digest': digest,
                        'size': len(text)}})
            what[peer.name]['referrers (3)'] = ('GET', 'referrers/' + digest)

    rgw = peers[RGW]
    rgw.put_manifest(rgw.client(), text, 'small')
    for n in range(8):
        peers[MODULE].put_manifest(peers[MODULE].client(), own, 'own%d' % n)

    def request(peer, method, path):
        url, headers = peer.get(path)[1:]
        if path.startswith('/'):
            url = peer.base + '/v2' + path
        return method, url, headers

    direct = {'GET': ('GET', rgw.url + 'small', {}),
              'HEAD': ('HEAD', rgw.url + 'small', {})}

    for n in range(rounds):
        rates = {method: rate_own(rgw, direct[method], options.seconds)
                 for method in direct}
        for row, (method, path) in what[MODULE].items():
            single = 'manifest' in row or 'blob' in row
            if single:
                table.add(row, RGW, rates[method])
            table.add(row, COLD, rate_own(
                peers[COLD], request(peers[COLD], method, path),
                options.seconds))
            if single:
                table.add(row, MODULE, rate_fast(
                    request(peers[MODULE], method, path),
                    options.seconds))
            if row in what[REFERENCE]:
                table.add(row, REFERENCE, rate_own(
                    peers[REFERENCE], request(
                        peers[REFERENCE], *what[REFERENCE][row]),
                    options.seconds))
        row = 'GET manifest by tag, each time asked for'
        table.add(row, RGW, rates['GET'])
        table.add(row, MODULE, rate_each(
            peers[ASKED], lambda n: request(peers[ASKED], 'GET',
                                            'manifests/own%d' % n),
            options.seconds))
        row = 'GET manifest by tag, late acknowledgements'
        table.add(row, RGW, rate_fast(direct['GET'], options.seconds,
                                      rgw.token))
        for peer, column in ((peers[COLD], COLD),
                             (peers[REFERENCE], REFERENCE)):
            table.add(row, column, rate_fast(
                request(peer, 'GET', 'manifests/v1'), options.seconds))
        progress('small requests: round %d of %d' % (n + 1, rounds))
    return [table.result()]


def warm(requests, what):
    """Of each but the first, as long as that one's replies are believed."""
    first = requests.of(lambda n: what(n), 1)
    six = requests.of(lambda n: [what(n) for n in range(6)], 1)
    return max(six - first, 0) / 5


def calls(peers, work, options):
    requests = Requests(options.env)
    if not requests.path:
        return []

    table = Table('Requests of RGW for each', '', 1)
    source = Source(work + '/calls', MB)

    for peer, column in ((peers[COLD], MODULE),
                         (peers[REFERENCE], REFERENCE)):
        client = peer.client()
        text, layer = peer.push_image(client, source)
        digest = digest_of(text)
        locations = []

        table.add('upload: POST', column, requests.of(
            lambda n: peer.begin(client)))
        table.add('upload: PATCH of one part', column, requests.of(
            lambda n: locations.append(patched(peer, client, source)))
            - table.cells['upload: POST'][column][0])
        table.add('upload: closing PUT', column, requests.of(
            lambda n: peer.close(client, *locations[n])))
        if column == MODULE:
            several = peers[SEVERAL]
            other = several.client()
            table.add('upload: PATCH of one part, by one of several nodes',
                      column, requests.of(
                          lambda n: patched(several, other, source)))

        rows = {
            'push of a blob: POST, PUT':
                lambda n: peer.push_whole(client, Body(source)),
            'mount': lambda n: peer.mount(client, layer),
            'PUT of a manifest by tag':
                lambda n: peer.put_manifest(client, text, 'tag%d' % n),
            'HEAD of a blob': lambda n: peer.head(client, layer),
            'GET of a blob': lambda n: peer.pull(client, layer),
            'GET of a manifest by tag':
                lambda n: peer.get_manifest(client, 'v1'),
            'GET of a manifest by digest':
                lambda n: peer.get_manifest(client, digest),
            'tags/list': lambda n: peer.tags(client)}

        for row, operation in rows.items():
            table.add(row, column, requests.of(operation))

        if column == MODULE:
            shared = peers[MODULE]
            client = shared.client()
            table.add('GET of a manifest by tag, warm', MODULE, warm(
                requests, lambda n: shared.get_manifest(client, 'v1')))
            table.add('GET of a manifest by digest, warm', MODULE, warm(
                requests, lambda n: shared.get_manifest(client, digest)))

        table.add('DELETE of a manifest of 6 tags', column, requests.of(
            lambda n: peer.delete_manifest(client, digest), 1))
        progress('requests of ' + column)
    return [table.result()]


def patched(peer, client, source):
    body = Body(source, chunked=True)
    return peer.patch(client, body), body.digest


def closing(peers, work, options):
    """The PUT after a long PATCH."""
    times = 1 if options.quick else 1000 // options.size or 1
    source = Source(work + '/closing', options.size * MB)
    table = Table('PATCH of %d MB, and its closing PUT'
                  % (times * options.size), '', 2)
    for n in range(1 if options.quick else 3):
        for peer in in_turns(peers, [MODULE, REFERENCE], n):
            client = peer.client()
            body = Body(source, times, True)
            url = []
            patch = timed(lambda: url.append(peer.patch(client, body)))
            put = timed(peer.close, client, url[0], body.digest)
            table.add('PATCH, s', peer.name, patch)
            table.add('PUT, s', peer.name, put)
            table.add('PUT, % of the PATCH', peer.name, 100 * put / patch)
            peer.forget(client, body.digest)
    progress('closing PUT')
    return [table.result()]


def lists(peers, work, options):
    """Of a repository with so many tags, among a fifth as many others."""
    requests = Requests(options.env)
    tags = options.tags
    if not tags or not requests.path:
        return []

    seconds = Table('Lists, of %d tags and %d repositories'
                    % (tags, tags // 5), 's', 3)
    asked = Table('Requests of RGW for a list', '', 0)
    for peer in (peers[MODULE], peers[REFERENCE]):
        fill(peers[RGW], peer.container, tags)
        middle = 'team-%03d/app-10' % (tags // 200)
        for path in ('big/tags/list?n=100', 'big/tags/list',
                     '_catalog?n=100', '_catalog?n=100&last=' + middle):
            before = requests.count()[0]
            seconds.add(path, peer.name, timed(
                peer.client().request, 'GET', peer.base + '/v2/' + path))
            asked.add(path, peer.name, requests.count()[0] - before)
        progress('lists of ' + peer.name)
    return [seconds.result(), asked.result()]


ALL = {'one': one_client, 'many': many_clients, 'herd': herd, 'small': small,
       'calls': calls, 'closing': closing, 'lists': lists}
