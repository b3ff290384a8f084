"""What is measured: RGW itself, this module, docker-registry."""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from socket import socket

from client import Body, Client

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
CONTAINER = 'bench-%d-%d' % (os.getpid(), time.time())
TYPE = 'application/vnd.oci.image.manifest.v1+json'
REPOSITORY = 'bench/blob'

RGW = 'RGW itself'
MODULE = 'this module'
COLD = 'cache off'
DISK = 'disk cache'
ASKED = 'links asked for each time'
SEVERAL = 'one of several nodes'
TLS = 'with TLS'
REFERENCE = 'docker-registry'

NGINX_CONF = '''
load_module {module};
user root;
worker_processes 1;
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    keepalive_requests 100000000;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi; uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    registry_cache_path {dir}/blobs levels=1:2 keys_zone=blobs:16m
                        max_size=20g inactive=1d;
    upstream rgw {{
        server {rgw};
        keepalive 64;
        keepalive_requests 10000;
        keepalive_timeout 50s;
    }}

    registry_auth_url {auth_url};
    registry_auth_user {user};
    registry_auth_key_file {dir}/key;
    registry_container {container}-nginx;
    registry_delete on;
    registry_single_node on;

    server {{
        listen 127.0.0.1:{plain};
        listen 127.0.0.1:{tls} ssl;
        ssl_certificate {dir}/tls.crt;
        ssl_certificate_key {dir}/tls.key;
        location /v2/ {{ registry_pass http://rgw; }}
    }}
    server {{
        listen 127.0.0.1:{cold};
        location /v2/ {{ registry_pass http://rgw; registry_cache off; }}
    }}
    server {{
        listen 127.0.0.1:{disk};
        location /v2/ {{ registry_pass http://rgw; registry_blob_cache blobs; }}
    }}
    server {{
        listen 127.0.0.1:{asked};
        location /v2/ {{ registry_pass http://rgw; registry_cache_valid 0; }}
    }}
    server {{
        listen 127.0.0.1:{several};
        location /v2/ {{
            registry_pass http://rgw;
            registry_cache off;
            registry_single_node off;
        }}
    }}
}}
'''

REGISTRY_CONF = '''
version: 0.1
log: {{ level: error, accesslog: {{ disabled: true }} }}
storage:
  swift:
    authurl: {auth_url}
    username: {user}
    password: {key}
    container: {container}-registry
  cache: {{ blobdescriptor: inmemory }}
  delete: {{ enabled: true }}
http: {{ addr: "127.0.0.1:{registry}", secret: bench }}
'''


def free_port():
    with socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def run(*command, **options):
    return subprocess.run(command, check=True, text=True,
                          stdout=subprocess.PIPE, **options).stdout


def private_file(path, text):
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), 'w') as f:
        f.write(text)
    return path


class Server:
    """A process and its workers."""

    def __init__(self, process):
        self.process = process
        self.base = None

    def pids(self):
        pid = self.process.pid
        with open('/proc/%d/task/%d/children' % (pid, pid)) as f:
            return [pid, *map(int, f.read().split())]

    def cpu(self):
        """Seconds, to the nanosecond."""
        total = 0
        for pid in self.pids():
            for task in os.listdir('/proc/%d/task' % pid):
                with open('/proc/%d/task/%s/schedstat' % (pid, task)) as f:
                    total += int(f.read().split()[0])
        return total / 1e9

    def memory(self):
        """Bytes of its own, without files and shared memory."""
        total = 0
        for pid in self.pids():
            with open('/proc/%d/status' % pid) as f:
                found = re.search(r'(?m)^RssAnon:\s+(\d+) kB', f.read())
            total += int(found[1]) * 1024 if found else 0
        return total


class Rgw:
    name = RGW
    server = None

    def __init__(self, env):
        request = urllib.request.Request(env['RGW_AUTH_URL'], headers={
            'X-Auth-User': env['RGW_USER'],
            'X-Auth-Key': env['RGW_SECRET_KEY']})
        with urllib.request.urlopen(request) as answer:
            self.token = {'X-Auth-Token': answer.headers['X-Auth-Token']}
            self.storage = answer.headers['X-Storage-Url']
        self.url = self.storage + '/' + CONTAINER + '/'
        self.client().request('PUT', self.url)

    def client(self, **options):
        return Client(self.storage, self.token, **options)

    def push(self, client, body):
        client.request('PUT', self.url + body.digest, body=body)

    push_whole = push

    def pull(self, client, digest):
        client.request('GET', self.url + digest)

    def put_manifest(self, client, text, reference):
        client.request('PUT', self.url + reference, body=text.encode())

    def get(self, path):
        """The method, URL and headers of a small request."""
        return 'GET', self.url + path, {}

    def forget(self, client, digest):
        client.request('DELETE', self.url + digest)

    def remove(self, container):
        """With all that is in it."""
        url = self.storage + '/' + container
        client = self.client()
        while True:
            names = client.request('GET', url + '?limit=500', keep=True)[2]
            names = names.decode().split()
            if not names:
                break
            body = ''.join('/%s/%s\n' % (container, name) for name in names)
            client.request('POST', self.storage + '/?bulk-delete',
                           {'Content-Type': 'text/plain'}, body.encode())
        client.request('DELETE', url)


class Registry:
    def __init__(self, name, base, server, rgw, suffix):
        self.name = name
        self.base = base
        self.server = server
        self.rgw = rgw
        self.container = CONTAINER + suffix

    def wait(self):
        port = urllib.parse.urlsplit(self.base).port
        for _ in range(100):
            with socket() as s:
                if s.connect_ex(('127.0.0.1', port)) == 0:
                    return
            time.sleep(0.1)
        sys.exit('bench: %s does not answer at %s' % (self.name, self.base))

    def client(self, **options):
        return Client(self.base, **options)

    def url(self, path):
        return self.base + '/v2/' + REPOSITORY + '/' + path

    def location(self, headers):
        return urllib.parse.urljoin(self.base, headers['location'])

    def begin(self, client):
        return self.location(client.request(
            'POST', self.url('blobs/uploads/'))[1])

    def patch(self, client, body):
        return self.location(client.request(
            'PATCH', self.begin(client),
            {'Content-Type': 'application/octet-stream'}, body)[1])

    def close(self, client, location, digest):
        client.request('PUT', location + ('&' if '?' in location else '?')
                       + 'digest=' + digest)

    def push(self, client, body):
        """As docker does."""
        body.chunked = True
        self.close(client, self.patch(client, body), body.digest)

    def push_whole(self, client, body):
        """As containerd does."""
        client.request('PUT', self.begin(client) + '&digest=' + body.digest,
                       {'Content-Type': 'application/octet-stream'}, body)

    def mount(self, client, digest):
        client.request('POST', self.base
                       + '/v2/other%d/blobs/uploads/?mount=%s&from=%s'
                       % (time.monotonic_ns(), digest, REPOSITORY))

    def pull(self, client, digest):
        client.request('GET', self.url('blobs/' + digest))

    def head(self, client, digest):
        client.request('HEAD', self.url('blobs/' + digest))

    def put_manifest(self, client, text, reference):
        media = json.loads(text)['mediaType']
        client.request('PUT', self.url('manifests/' + reference),
                       {'Content-Type': media}, text.encode())

    def get_manifest(self, client, reference):
        client.request('GET', self.url('manifests/' + reference),
                       {'Accept': TYPE})

    def delete_manifest(self, client, digest):
        client.request('DELETE', self.url('manifests/' + digest))

    def tags(self, client):
        client.request('GET', self.url('tags/list'))

    def get(self, path):
        if path.startswith('_'):
            return 'GET', self.base + '/v2/' + path, {}
        return 'GET', self.url(path), {'Accept': TYPE}

    def forget(self, client, digest):
        """Its bytes, at the storage: they would fill the disk."""
        value = digest.split(':')[1]
        self.rgw.client().request(
            'DELETE', '%s/%s/files/docker/registry/v2/blobs/sha256/%s/%s/data'
            % (self.rgw.storage, self.container, value[:2], value))

    def push_image(self, client, source, extra=None):
        """A small one; its manifest's text, and the digest of its layer."""
        bodies = [Body(source), Body(source)]
        for body in bodies:
            self.push(client, body)
        text = manifest(bodies[0], bodies[1], extra)
        self.put_manifest(client, text, 'v1' if extra is None
                          else digest_of(text))
        return text, bodies[1].digest


def digest_of(text):
    return 'sha256:' + hashlib.sha256(text.encode()).hexdigest()


def manifest(config, layer, extra=None):
    return json.dumps({
        'schemaVersion': 2, 'mediaType': TYPE,
        'config': {'mediaType': 'application/vnd.oci.image.config.v1+json',
                   'size': config.size, 'digest': config.digest},
        'layers': [{
            'mediaType': 'application/vnd.oci.image.layer.v1.tar+gzip',
            'size': layer.size, 'digest': layer.digest}],
        **(extra or {})})


def start_all(work, env, processes):
    """By name."""
    def start(name, text, *command):
        conf = private_file('%s/%s.conf' % (work, name.split()[-1]),
                            text.format(**values))
        processes.append(subprocess.Popen(
            [*command, conf], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL))
        return Server(processes[-1])

    values = {'dir': work, 'container': CONTAINER,
              'auth_url': env['RGW_AUTH_URL'], 'rgw': env['RGW_ENDPOINT'],
              'user': env['RGW_USER'], 'key': env['RGW_SECRET_KEY'],
              'module': os.path.abspath(env.get(
                  'REGISTRY_MODULE',
                  TOP + '/build/ngx_http_registry_module.so')),
              **{name: free_port() for name in (
                  'plain', 'tls', 'cold', 'disk', 'asked', 'several',
                  'registry')}}

    private_file(work + '/key', env['RGW_SECRET_KEY'])
    run('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
        'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
        '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost',
        '-keyout', work + '/tls.key', '-out', work + '/tls.crt',
        stderr=subprocess.DEVNULL)

    nginx = start(MODULE, NGINX_CONF, env.get('NGINX_BINARY', 'nginx'),
                  '-p', work, '-e', work + '/error.log', '-c')
    reference = start(REFERENCE, REGISTRY_CONF, 'docker-registry', 'serve')

    rgw = Rgw(env)
    peers = {RGW: rgw}
    for name, port, server, suffix in (
            (MODULE, 'plain', nginx, '-nginx'),
            (COLD, 'cold', nginx, '-nginx'),
            (DISK, 'disk', nginx, '-nginx'),
            (ASKED, 'asked', nginx, '-nginx'),
            (SEVERAL, 'several', nginx, '-nginx'),
            (REFERENCE, 'registry', reference, '-registry')):
        peers[name] = Registry(name, 'http://127.0.0.1:%d' % values[port],
                               server, rgw, suffix)
        peers[name].wait()
    peers[TLS] = Registry(TLS, 'https://localhost:%d' % values['tls'], nginx,
                          rgw, '-nginx')
    return peers


class Requests:
    """What RGW got, and sent, from its access log, if that is at hand."""

    def __init__(self, env):
        self.path = None
        self.at = 0
        self.requests = 0
        self.bytes = 0
        if env.get('CEPH_CONF'):
            with open(env['CEPH_CONF']) as f:
                section = f.read().partition('[client.rgw]')[2]
            found = re.search(r'(?m)^log file = (.*)', section)
            self.path = found and found[1]
        if self.path:
            self.at = os.path.getsize(self.path)

    def read(self):
        """The lines that were added, as far as they are complete."""
        with open(self.path, 'rb') as f:
            f.seek(self.at)
            data = f.read()
        data = data[:data.rfind(b'\n') + 1]
        self.at += len(data)
        name = CONTAINER.encode()
        seen = False
        for line in data.split(b'\n'):
            if b' beast: 0x' in line and name in line:
                self.requests += 1
                found = re.search(rb'" \d{3} (\d+) ', line)
                self.bytes += int(found[1]) if found else 0
                seen = True
        return seen

    def count(self):
        """Once no line was added for a while."""
        while True:
            time.sleep(0.4)
            if not self.read():
                return self.requests, self.bytes

    def of(self, what, times=5):
        before = self.count()[0]
        for n in range(times):
            what(n)
        return (self.count()[0] - before) / times


def fill(rgw, container, tags):
    """Links as pushes leave them; lists look at names only."""
    base = 'files/docker/registry/v2/repositories/'
    names = ['big/_layers/sha256/x/link']
    names += [f'big/_manifests/tags/v{n:06}/current/link'
              for n in range(tags)]
    names += [f'team-{n // 20:03}/app-{n % 20:02}/{rest}/link'
              for n in range(tags // 5)
              for rest in ('_layers/sha256/x', '_manifests/tags/v1/current')]

    def put(some):
        client = rgw.client()
        for name in some:
            client.request('PUT', '%s/%s/%s%s' % (rgw.storage, container,
                                                  base, name))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(put, [names[n::16] for n in range(16)]))
