"""Tables in Markdown, and a plot of them in SVG."""

import datetime
import os
import platform
import re
import subprocess
from xml.sax.saxutils import escape

from peers import COLD, MODULE, REFERENCE, RGW, TOP

COLUMNS = [RGW, COLD, MODULE, REFERENCE]
BEGIN = '<!-- t/bench/run --docs writes from here -->'
END = '<!-- to here -->'

# per column; readable on white and on black
COLORS = {RGW: '#8a8f98', COLD: '#4aa3df', MODULE: '#1f77d0',
          REFERENCE: '#e0862e'}


def number(value):
    if value >= 1000:
        return '{:,.0f}'.format(value)
    return '%g' % (round(value, 1) if value >= 100 else value)


def table(measured):
    columns = [c for c in COLUMNS if any(c in row for row in measured['rows'])]
    ratios = RGW in columns and measured['unit'] == 's'
    unit = ', ' + measured['unit'] if measured['unit'] else ''
    heads = [measured['name'] + unit, *columns]
    if ratios:
        heads += [c + ' to RGW' for c in columns[1:]]
    lines = ['| ' + ' | '.join(heads) + ' |',
             '| --- |' + ' ---: |' * (len(heads) - 1)]
    for row in measured['rows']:
        cells = [row['what']]
        for column in columns:
            cell = row.get(column)
            cells.append(number(cell['median']) if cell else '')
        if ratios:
            direct = row.get(RGW) or row.get('against')
            for column in columns[1:]:
                cells.append('%.2fx' % (row[column]['median']
                                        / direct['median'])
                             if column in row and direct else '')
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines) + '\n'


def compare(tables):
    """Rows without a figure of RGW's own are held against its plain pull."""
    for measured in tables:
        direct = {row['what']: row[RGW] for row in measured['rows']
                  if RGW in row}
        for row in measured['rows']:
            for what in direct:
                if RGW not in row and row['what'].startswith(what):
                    row['against'] = direct[what]


def version(*command):
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT)
    found = re.search(r'\d+\.\d+[\w.+~-]*', done.stdout)
    return found[0] if found else '?'


def machine():
    with open('/proc/cpuinfo') as f:
        found = re.search(r'model name\s*: (.*)', f.read())
    with open('/proc/meminfo') as f:
        memory = int(re.search(r'MemTotal: +(\d+)', f.read())[1])
    return ('%s: %d cores (%s), %.0f GB of memory, Linux %s; nginx %s with'
            ' one worker, Ceph %s (one RGW, one OSD on BlueStore),'
            ' docker-registry %s, OpenSSL %s.  Load of the machine before:'
            ' %.1f.' % (
                datetime.date.today().isoformat(), os.cpu_count(),
                found[1].strip() if found else platform.machine(),
                memory / 1e6, platform.release(),
                version('nginx', '-v'), version('ceph', '--version'),
                version('docker-registry', '--version'),
                version('openssl', 'version'), LOAD))


# before anything was measured
LOAD = os.getloadavg()[0]


def markdown(result):
    compare(result['tables'])
    return (result['machine'] + '  %d rounds, medians.\n\n' % result['rounds']
            + '\n'.join(map(table, result['tables'])))


class Plot:
    """Panels of rows of bars, one below the other."""

    WIDTH = 860
    LEFT = 250
    BAR = 11

    def __init__(self):
        self.y = 0
        self.parts = []

    def text(self, x, y, text, kind='', anchor='start'):
        self.parts.append(
            '<text x="%.0f" y="%.0f" class="%s" text-anchor="%s">%s</text>'
            % (x, y, kind, anchor, escape(text)))

    def bar(self, y, width, color):
        self.parts.append(
            '<rect x="%d" y="%.0f" width="%.1f" height="%d" rx="1.5"'
            ' fill="%s"/>' % (self.LEFT, y, max(width, 1), self.BAR - 2,
                              color))

    def legend(self):
        self.y += 16
        x = self.LEFT
        for column in COLUMNS:
            self.parts.append(
                '<rect x="%d" y="%d" width="10" height="10" rx="1.5"'
                ' fill="%s"/>' % (x, self.y - 9, COLORS[column]))
            self.text(x + 15, self.y, column)
            x += 130
        self.y += 10

    def panel(self, measured):
        rows = measured['rows']
        top = max(row[c]['median'] for row in rows for c in COLUMNS
                  if c in row)
        # what differs a hundred times is not to be seen on one scale
        cut = measured['unit'] == '/s'
        if cut:
            top = 2.5 * max(row[c]['median'] for row in rows
                            for c in (RGW, REFERENCE) if c in row)
        room = self.WIDTH - self.LEFT - 80
        self.y += 28
        self.text(8, self.y, '%s%s' % (
            measured['name'], ' (%s)' % {
                's': 'seconds, less is better',
                '/s': 'per second, more is better; long bars are cut'
            }.get(measured['unit'], measured['unit'] + ', less is better')
            if measured['unit'] else ''), 'head')
        self.y += 10
        for row in rows:
            columns = [c for c in COLUMNS if c in row]
            self.text(self.LEFT - 8, self.y + 5 + self.BAR
                      * len(columns) / 2, row['what'], '', 'end')
            for column in columns:
                value = row[column]['median']
                width = room * min(value, top) / top
                self.bar(self.y, width, COLORS[column])
                self.text(self.LEFT + width + 5, self.y + self.BAR - 2,
                          number(value) + (' →' if value > top else ''),
                          'small')
                self.y += self.BAR
            self.y += 6

    def svg(self):
        return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d"'
                ' height="%d" viewBox="0 0 %d %d" font-family="sans-serif"'
                ' font-size="12"><style>text{fill:#333}.head{font-size:14px;'
                'font-weight:bold}.small{font-size:10px;fill:#666}'
                '@media(prefers-color-scheme:dark){text{fill:#ddd}'
                '.small{fill:#aaa}}</style>\n%s\n</svg>\n' % (
                    self.WIDTH, self.y + 10, self.WIDTH, self.y + 10,
                    '\n'.join(self.parts)))


def plot(result):
    drawing = Plot()
    drawing.legend()
    for measured in result['tables']:
        if measured['unit'] in ('s', '/s', 's/GB') and not (
                measured['name'].startswith('Lists')):
            drawing.panel(measured)
    return drawing.svg()


def write(result, docs):
    text = markdown(result)
    folder = os.environ.get('BUILD_DIR', TOP + '/build') + '/bench'
    os.makedirs(folder, exist_ok=True)
    with open(folder + '/performance.md', 'w') as f:
        f.write(text)
    with open(folder + '/performance.svg', 'w') as f:
        f.write(plot(result))
    if not docs:
        return

    path = TOP + '/docs/performance.md'
    with open(path) as f:
        page = f.read()
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    with open(path, 'w') as f:
        f.write('%s%s\n\n%s\n%s%s' % (before, BEGIN, text, END, after))
    with open(TOP + '/docs/performance.svg', 'w') as f:
        f.write(plot(result))
