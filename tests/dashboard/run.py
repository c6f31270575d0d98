#!/usr/bin/env python3
"""The dashboard in a real Chromium, over the example program.

    run.py PROGRAM [--pictures DIR] [--filter TEXT] [--processes N]

PROGRAM is bin/dashboard. Prints `ok` or `FAIL` for each case, figures it measured, and last
`N passed, N failed`. Without a Chromium everything is skipped, and it says so.
"""
import argparse
import gzip
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import traceback
import urllib.request

from browser import Browser

DIST = pathlib.Path(__file__).resolve().parents[2] / "tools/dashboard/dist"
COMPRESSED_MAX = 150 * 1024
PROCESSES = 100_000
TOKEN = "0123456789abcdef-token"
CASES = []


def case(function):
    CASES.append(function)
    return function


class Program:
    """The example, on a free port."""

    def __init__(self, path, idlers=0, token=None):
        environment = {k: v for k, v in os.environ.items() if k != "DASHBOARD_TOKEN"}
        if token:
            environment["DASHBOARD_TOKEN"] = token
        self.process = subprocess.Popen([path, "127.0.0.1:0", str(idlers)], env=environment,
                                        stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]

    def close(self):
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(timeout=60)
        assert status == 0, f"the program ended with {status}"


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def go(page, name):
    page.js(f"location.hash = '#/{name}'")


def click(page, selector):
    page.until(f"document.querySelector({json.dumps(selector)})")
    page.js(f"document.querySelector({json.dumps(selector)}).dispatchEvent("
            "new MouseEvent('click', {bubbles: true, cancelable: true}))")


def text(page, selector):
    return page.js(f"document.querySelector({json.dumps(selector)})?.textContent ?? ''")


def find(page, part):
    """Types into the search field, as a person would."""
    go(page, "processes")
    page.until("document.querySelector('input[type=search]')")
    page.key("/", "/")
    page.until("document.activeElement.type === 'search'")
    page.js("document.activeElement.select()")
    page.type(part)


def rows(page):
    return "[...document.querySelectorAll('.processes tbody tr')]"


# ---- the program as it is ----


@case
def loads_and_stays_live(page, run):
    run.open(page)
    page.until("document.querySelector('.card-value')")
    paint = page.js("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1")
    print(f"  first paint: {paint:.0f} ms")
    before = text(page, ".cards")
    took = page.until(f"document.querySelector('.cards').textContent !== {json.dumps(before)}")
    print(f"  live update after: {took * 1000:.0f} ms")
    page.until("document.querySelectorAll('.plot canvas').length >= 4")
    check("live" in text(page, ".live"), "says that it is live")
    check(page.js("document.title") == "dashboard example · Spawned", "title")
    run.picture(page, "overview")
    page.dark(True)
    page.until("getComputedStyle(document.body).backgroundColor === 'rgb(18, 22, 27)'")
    run.picture(page, "overview-dark")
    page.dark(False)


@case
def asks_nobody_else_and_breaks_no_policy(page, run):
    check(page.hosts() == {run.program.url.split("/")[2]}, f"asked {page.hosts()}")
    check(not page.complaints(), page.complaints())


@case
def is_small(page, run):
    size = sum(len(gzip.compress(path.read_bytes(), 9)) for path in DIST.iterdir())
    print(f"  compressed: {size / 1024:.0f} KiB")
    check(size < COMPRESSED_MAX, f"{size} bytes")


@case
def sorts(page, run):
    go(page, "processes")
    page.until(f"{rows(page)}.length === 100")
    click(page, ".processes th:nth-child(6) button")
    page.until("document.querySelector('th:nth-child(6)').ariaSort === 'descending'")
    page.until(f"{rows(page)}.slice(0, 4).every(r => r.cells[1].textContent.startsWith('worker '))")
    click(page, ".processes th:nth-child(2) button")
    page.until(f"{rows(page)}[0].cells[1].textContent === 'clumsy'")
    click(page, ".processes th:nth-child(2) button")
    page.until("document.querySelector('th:nth-child(2)').ariaSort === 'descending'")
    page.until(f"{rows(page)}[0].cells[1].textContent === 'thread'")
    run.picture(page, "processes")


@case
def pages_over_all(page, run):
    go(page, "processes")
    click(page, ".processes th:nth-child(1) button")
    page.until("document.querySelector('th:nth-child(1)').ariaSort === 'ascending'")
    click(page, "[aria-label='Last page']")
    page.until(f"document.querySelector('.range').textContent.startsWith('{run.processes // 1000:,},0')")
    page.until(f"{rows(page)}.length < 100")
    click(page, "[aria-label='First page']")
    page.until("document.querySelector('.range').textContent.startsWith('1–100')")


@case
def stays_smooth(page, run):
    go(page, "processes")
    frames = page.js("""new Promise(done => {
        const gaps = []; let last = performance.now(); const end = last + 3000;
        const frame = now => { gaps.push(now - last); last = now;
            if (now < end) requestAnimationFrame(frame); else done(gaps); };
        requestAnimationFrame(frame); })""")
    print(f"  {run.processes} processes: {len(frames)} frames in 3 s, the longest {max(frames):.0f} ms")
    check(len(frames) > 20, "frames are drawn")
    check(page.js("document.querySelectorAll('tr').length") <= 101, "only a page is in the document")
    check(page.js("document.querySelectorAll('*').length") < 3000, "the document stays small")


@case
def searches_and_opens_with_the_keyboard(page, run):
    find(page, "WORKER 2")
    page.until(f"{rows(page)}.length === 1 && {rows(page)}[0].textContent.includes('worker 2')")
    page.js(f"{rows(page)}[0].focus()")
    page.key("Enter", "\r")
    page.until("location.hash.startsWith('#/process/')")
    page.until("document.querySelector('h1')?.textContent.startsWith('worker 2')")
    page.until("document.querySelectorAll('.list ul li').length > 0")
    page.until("document.querySelector('.trace')?.textContent.includes('handle')")
    page.until("[...document.querySelectorAll('.trace td')].some(c => c.textContent === 'it')")
    click(page, ".list a")  # linked with its supervisor
    page.until("document.querySelector('h1')?.textContent.startsWith('office')")
    run.picture(page, "process")
    page.key("3", "3")
    page.until("location.hash === '#/tree'")


@case
def holds_a_server_and_shows_its_state(page, run):
    find(page, "worker 3")
    page.until(f"{rows(page)}.length === 1 && {rows(page)}[0].textContent.includes('worker 3')")
    click(page, ".processes tbody tr")
    page.until("document.querySelector('h1')?.textContent.startsWith('worker 3')")
    click(page, ".server button")
    page.until("document.querySelector('.server .state')?.textContent.startsWith('total of its jobs')")
    click(page, ".server button:nth-of-type(2)")
    page.until("document.querySelector('.status-suspended')")
    page.until("document.querySelector('.server').textContent.includes('Resume')")
    run.picture(page, "suspended")
    click(page, ".server button:nth-of-type(2)")
    page.until("!document.querySelector('.status-suspended')")


@case
def traces_the_messages_of_a_server(page, run):
    find(page, "worker 1")
    page.until(f"{rows(page)}.length === 1 && {rows(page)}[0].textContent.includes('worker 1')")
    click(page, ".processes tbody tr")
    page.until("document.querySelector('h1')?.textContent.startsWith('worker 1')")
    click(page, ".messages button")
    page.until("document.querySelectorAll('.messages tbody tr').length >= 4")
    words = text(page, ".messages tbody")
    check("taken" in words and "handled" in words and "add" in words and "OK" in words, "what was taken, and what came of it")
    page.js("document.querySelector('.messages').scrollIntoView()")
    run.picture(page, "messages")


@case
def kills_and_shows_the_restart(page, run):
    find(page, "worker 1")
    page.until(f"{rows(page)}.length === 1 && {rows(page)}[0].textContent.includes('worker 1')")
    click(page, ".processes tbody tr")
    page.until("document.querySelector('h1')?.textContent.startsWith('worker 1')")
    before = page.js("location.hash")
    click(page, ".kill .danger")
    page.until("document.querySelector('.kill').textContent.includes('Kill worker 1?')")
    click(page, ".kill .danger")
    page.until("document.querySelector('.gone')")
    page.until("document.querySelector('.gone a')")
    run.picture(page, "killed")
    click(page, ".gone a")
    page.until(f"location.hash !== {json.dumps(before)}")
    page.until("document.querySelector('h1')?.textContent.startsWith('worker 1') && "
               "document.querySelector('.kill')")


@case
def draws_the_tree_folds_it_and_flashes(page, run):
    go(page, "tree")
    page.until("[...document.querySelectorAll('.node')].some(n => n.textContent.includes('office'))")
    check("× idler" in text(page, ".drawing"), "a crowd is one node")
    office = "[...document.querySelectorAll('.node')].find(n => n.textContent.includes('office'))"
    check(page.js(f"{office}.ariaExpanded") == "true", "unfolded")
    page.js(f"{office}.focus()")
    page.key(" ", " ")
    page.until(f"{office}.ariaExpanded === 'false'")
    check("worker 0" not in text(page, ".drawing"), "its children are gone")
    page.key(" ", " ")
    page.until("document.querySelector('.drawing').textContent.includes('worker 0')")
    page.until("document.querySelector('.flash')?.textContent.includes('clumsy')")
    run.picture(page, "tree")


@case
def a_deep_tree_fits_a_laptop(page, run):
    nodes = []

    def add(name, parent):
        nodes.append({"pid": f"0.{len(nodes)}.1", "name": name, "label": "server", "status": "idle",
                      "mailbox": 0, "parent": parent, "children": 0})
        return nodes[-1]["pid"]

    parent = None
    for depth in range(7):
        parent = add(f"supervisor of level {depth}", parent)
        for worker in range(4):
            add(f"worker {worker} with a long name", parent)
    page.route(api_tree={"truncated": False, "total": len(nodes), "nodes": nodes})
    page.size(1300, 800)
    go(page, "tree")
    page.until("document.querySelectorAll('.node').length === 36")
    page.until("(() => { const at = document.querySelector('.drawing'); "
               "return at.scrollWidth <= at.clientWidth; })()")
    inside = page.js("(() => { const edge = document.querySelector('.drawing').getBoundingClientRect().right;"
                     "return [...document.querySelectorAll('.node')]"
                     ".every(n => n.getBoundingClientRect().right <= edge); })()")
    check(inside, "nothing is behind the edge")
    page.route()


@case
def shows_what_ended_and_what_took_over(page, run):
    go(page, "exits")
    page.until("[...document.querySelectorAll('tbody tr')].some(r => "
               "r.textContent.includes('dropped the tray') && r.querySelector('a'))")
    run.picture(page, "exits-live")


@case
def shows_what_is_recorded(page, run):
    go(page, "timeline")
    page.until("document.querySelectorAll('.event').length > 0")


@case
def fits_a_phone(page, run):
    page.size(360, 740, mobile=True)
    find(page, "")
    pages = ("overview", "processes", "tree", "graph", "timeline", "exits", f"process/{run.office()}")
    for dark in (False, True):
        page.dark(dark)
        for name in pages:
            go(page, name)
            page.until("document.querySelector('main').children.length > 1 && "
                       "!document.querySelector('main').textContent.includes('Asking')")
            wide = page.js("document.documentElement.scrollWidth")
            check(wide <= 360, f"{name} is {wide} wide")
            run.picture(page, f"phone-{name.split('/')[0]}{'-dark' if dark else ''}")
    page.dark(False)
    page.size(1280, 800)


CONTRAST = """(() => {
    const light = (c) => { const v = c.match(/[\\d.]+/g).slice(0, 3).map((n) => n / 255)
        .map((n) => (n <= 0.03928 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4));
        return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
    const behind = (e) => { for (; e; e = e.parentElement) {
        const c = getComputedStyle(e).backgroundColor;
        if (c && !/, 0\\)$/.test(c) && c !== 'transparent') return c; } return 'rgb(255, 255, 255)'; };
    const bad = [];
    for (const e of document.querySelectorAll('main *, header *')) {
        if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())) continue;
        if (e.disabled || e.closest('svg') || !e.offsetParent) continue;
        const back = behind(e);
        if (!back.startsWith('rgb')) continue;
        const a = light(getComputedStyle(e).color), b = light(back);
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) bad.push(`${e.tagName}.${e.className} ${ratio.toFixed(1)}`);
    }
    return [...new Set(bad)].join('; ');
})()"""


@case
def is_readable_in_light_and_dark(page, run):
    for dark in (False, True):
        page.dark(dark)
        for name in ("overview", "processes", "tree", "graph", "timeline", "exits",
                     f"process/{run.office()}"):
            go(page, name)
            page.until("document.querySelector('main').children.length > 1 && "
                       "!document.querySelector('main').textContent.includes('Asking')")
            faint = page.js(CONTRAST)
            check(faint == "", f"{name}, {'dark' if dark else 'light'}: {faint}")
            nameless = page.js("[...document.querySelectorAll('button, a[href], input, select')]"
                               ".filter(e => !(e.ariaLabel || e.textContent.trim() || "
                               "e.closest('label'))).length")
            check(nameless == 0, f"{name}: {nameless} controls without a name")
            run.picture(page, f"{name.split('/')[0]}{'-dark' if dark else ''}")
    page.dark(False)


# ---- answers a program may give: the page gets them instead of the program's ----

EVIL = "<img src=x onerror='window.broken=1'></b><script>window.broken=1</script>"
STUCK = [{"pid": f"0.{n}.1", "name": name, "label": "server", "status": "waiting", "mailbox": 0}
         for n, name in enumerate(["orders", "stock", "billing", EVIL])]


@case
def shows_names_as_text(page, run):
    process = {"pid": "0.7.1", "name": EVIL, "label": EVIL, "status": "idle", "mailbox": 1,
               "links": 0, "monitors": 0, "watchers": 0, "trap_exit": False, "parent": None,
               "waits_for": None, "uptime_ms": 1.0, "handled": 1, "memory": 1}
    page.route(api_processes={"total": 1, "matched": 1, "offset": 0, "limit": 100, "sort": "pid",
                              "order": "asc", "processes": [process]},
               api_tree={"truncated": False, "total": 1, "nodes": [process]})
    go(page, "processes")
    page.until(f"{rows(page)}.length === 1 && {rows(page)}[0].cells[1].textContent.includes('<img')")
    go(page, "tree")
    page.until("document.querySelector('.drawing')?.textContent.includes('<img')")
    check(page.js("document.querySelector('main img, main script')") is None, "no element of it")
    check(page.js("window.broken") is None, "nothing of it ran")
    page.route()


@case
def highlights_a_deadlock(page, run):
    edges = [("0.0.1", "0.1.1", "wait"), ("0.1.1", "0.2.1", "wait"), ("0.2.1", "0.0.1", "wait"),
             ("0.3.1", "0.0.1", "wait"), ("0.0.1", "0.3.1", "link")]
    page.route(api_graph={
        "available": True, "truncated": False, "nodes": STUCK,
        "edges": [dict(zip(("from", "to", "kind"), edge)) for edge in edges],
        "cycles": [["0.0.1", "0.1.1", "0.2.1"]]})
    go(page, "graph")
    page.until("document.querySelectorAll('.edge-stuck').length === 3")
    check("Deadlock: orders → stock → billing → orders" in text(page, ".deadlock"), "in words, too")
    check(page.js("document.querySelectorAll('a.stuck').length") == 3, "and who is in it")
    run.picture(page, "deadlock")
    page.route()


@case
def shows_who_is_not_well(page, run):
    checks = [{"pid": "0.1.1", "name": None, "label": "stock", "status": "healthy", "text": "",
               "answered": True},
              {"pid": "0.2.1", "name": EVIL, "label": "server", "status": "unhealthy",
               "text": f"no disk {EVIL}", "answered": False}]
    page.route(api_health={"status": "unhealthy", "asked": 2, "healthy": 1, "degraded": 0,
                           "unhealthy": 1, "unasked": 0, "checks": checks})
    page.open("about:blank")  # a page asks once more only of who has it
    run.open(page)
    page.until("document.querySelector('.card-value')")
    go(page, "health")
    page.until("document.querySelector('.badge')?.textContent.includes('unhealthy')")
    page.until("document.querySelector('tbody tr')?.textContent.includes('no disk')")
    check("no answer yet" in text(page, "tbody tr"), "who is silent")
    check("stock" in text(page, "tbody tr:last-child"), "a label where there is no name")
    check(page.js("document.querySelector('main img, main script')") is None, "text stays text")
    run.picture(page, "health")
    page.route()


@case
def draws_recorded_events_exits_and_letters(page, run):
    events = [{"seq": n, "t_ms": 1000 + n / 4, "worker": n % 2, "kind": ("turn", "park")[n % 3 == 0],
               "pid": "0.1.1", "text": "add", "duration_us": 90 * (n % 3)} for n in range(200)]
    exits = [{"seq": 1, "t_ms": 5.0, "pid": "0.1.1", "name": EVIL, "label": "server",
              "kind": "error", "reason": f"out of paper {EVIL}", "cause": "0.3.1",
              "report": "/var/crash/spawned-crash-1.txt",
              "parent": None, "restarted": "0.4.1", "age_ms": 12.0}]
    letters = [{"seq": 1, "t_ms": 6.0, "from": "0.2.1", "to": "0.1.1", "operation": EVIL,
                "reason": "no process"}]
    page.route(api_events={"available": True, "last": 200, "lost": 0, "events": events},
               api_exits={"available": True, "last": 1, "lost": 3, "exits": exits,
                          "exit_counts": {"killed": 0, "error": 4}},
               **{"api_dead-letters": {"available": True, "last": 1, "lost": 0,
                                       "counts": [{"operation": EVIL, "no process": 7}],
                                       "dead_letters": letters}})
    go(page, "timeline")
    page.until("document.querySelectorAll('.event').length === 200")
    check("thread 1" in text(page, ".lanes"), "a lane for each thread")
    run.picture(page, "timeline")
    go(page, "exits")
    page.until("document.querySelector('main').textContent.includes('out of paper')")
    page.until("document.querySelector('main').textContent.includes('no process')")
    check("4 error" in text(page, ".counts"), "counts")
    check("/var/crash/spawned-crash-1.txt" in text(page, ".report"), "where its report is")
    check(page.js("document.querySelector('td a[href=\"#/process/0.4.1\"]') !== null"),
          "whoever took over")
    check(page.js("document.querySelector('main img, main script')") is None, "text stays text")
    check(page.js("window.broken") is None, "nothing of it ran")
    run.picture(page, "exits")
    check("3 older ones are gone" in text(page, "main"), "and what is not there any more")
    page.route()


# ---- others ----


@case
def asks_for_the_token(page, run):
    other = Program(run.path, token=TOKEN)
    try:
        page.open(other.url)
        page.until("document.querySelector('.token')")
        page.js("document.querySelector('.token input').focus()")
        page.type("wrong")
        page.key("Enter", "\r")
        page.until("document.querySelector('.token')?.textContent.includes('not right')")
        page.js("document.querySelector('.token input').focus()")
        page.type(TOKEN)
        page.key("Enter", "\r")
        page.until("document.querySelector('.card-value')")
        page.js("sessionStorage.clear()")
        page.open("about:blank")
        page.open(f"{other.url}#token={TOKEN}")
        page.until("document.querySelector('.card-value')")
        check(TOKEN not in page.js("location.href"), "the token is not left in the address")
    finally:
        other.close()


@case
def says_when_the_program_is_gone(page, run):
    other = Program(run.path)
    page.open(other.url)
    page.until("document.querySelector('.card-value')")
    other.close()
    page.until("document.querySelector('.live.lost')")
    check("does not answer" in text(page, ".live"), "in words")
    check(page.js("document.querySelectorAll('.card-value').length") > 0, "what was known stays")


class Run:
    """The program under test, and where pictures go."""

    def __init__(self, path, pictures, processes):
        self.path = path
        self.pictures = pictures
        self.processes = processes
        self.program = Program(path, idlers=processes)

    def open(self, page):
        page.open(self.program.url)

    def office(self):
        """The pid of a supervisor."""
        with urllib.request.urlopen(f"{self.program.url}api/processes?search=office") as answer:
            return json.load(answer)["processes"][0]["pid"]

    def picture(self, page, name):
        if self.pictures:
            page.picture(pathlib.Path(self.pictures) / f"{name}.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("program")
    parser.add_argument("--pictures", help="folder for screenshots")
    parser.add_argument("--processes", type=int, default=PROCESSES, help="that do nothing")
    parser.add_argument("--filter", default="", help="only cases whose name contains it")
    args = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        print("skip: there is no chromium here (Debian package chromium)")
        print(f"0 passed, 0 failed, {len(CASES)} skipped")
        return 0
    run = Run(args.program, args.pictures, args.processes)
    page = Browser(chromium)
    failed = 0
    chosen = [c for c in CASES if args.filter in c.__name__]
    try:
        for number, one in enumerate(chosen):
            try:
                if number == 0 and one is not CASES[0]:
                    run.open(page)
                one(page, run)
                print(f"ok   {one.__name__}", flush=True)
            except Exception:  # a case that fails is told, and the next one runs
                failed += 1
                print(f"FAIL {one.__name__}", flush=True)
                traceback.print_exc(file=sys.stdout)
                page.route()
    finally:
        page.close()
        run.program.close()
    print(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
