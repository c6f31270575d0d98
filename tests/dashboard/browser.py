"""Chromium, driven over its debugging pipe: no other program and no package is needed."""
import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time

PATIENCE_S = 60  # a guard: nothing waits so long


class Browser:
    """One headless Chromium with one page."""

    def __init__(self, program, width=1280, height=800):
        self.folder = tempfile.mkdtemp(prefix="chromium")
        to_child, self.write_end = os.pipe()
        self.read_end, from_child = os.pipe()
        options = [
            "--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--no-first-run",
            "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--hide-scrollbars",
            f"--user-data-dir={self.folder}", f"--window-size={width},{height}", "about:blank",
        ]

        def place():  # the debugging pipe is descriptors 3 and 4
            high = [os.dup(to_child), os.dup(from_child)]
            os.dup2(high[0], 3, inheritable=True)
            os.dup2(high[1], 4, inheritable=True)

        self.process = subprocess.Popen(
            [program] + options, preexec_fn=place, close_fds=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        os.close(to_child)
        os.close(from_child)
        self.buffer = b""
        self.number = 0
        self.session = None
        self.events = []
        self.routes = {}  # part of a URL -> what is answered instead
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(domain + ".enable")

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.write_end)
        os.close(self.read_end)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- the protocol ----

    def _read(self, deadline):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.read_end], [], [], max(0, deadline - time.monotonic()))
            chunk = os.read(self.read_end, 1 << 20) if ready else b""
            if not chunk:
                raise TimeoutError("Chromium does not answer")
            self.buffer += chunk
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def _send(self, method, params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.write_end, json.dumps(message).encode() + b"\0")
        return self.number

    def _event(self, message):
        self.events.append(message)
        if message["method"] != "Fetch.requestPaused":
            return
        params = message["params"]
        url = params["request"]["url"]
        for part, body in self.routes.items():
            if part in url:
                self._send("Fetch.fulfillRequest", {
                    "requestId": params["requestId"], "responseCode": 200,
                    "responseHeaders": [{"name": "Content-Type", "value": "application/json"}],
                    "body": base64.b64encode(json.dumps(body).encode()).decode()})
                return
        self._send("Fetch.continueRequest", {"requestId": params["requestId"]})

    def call(self, method, **params):
        """Sends a command and returns its result; events that come meanwhile are kept."""
        number = self._send(method, params)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            message = self._read(deadline)
            if "method" in message:
                self._event(message)
            elif message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]

    # ---- the page ----

    def route(self, **answers):
        """What these paths answer instead of the program: `api_graph` is /api/graph."""
        self.routes = {"/" + name.replace("_", "/"): body for name, body in answers.items()}
        patterns = [{"urlPattern": f"*{part}*"} for part in self.routes]
        self.call("Fetch.enable", patterns=patterns) if patterns else self.call("Fetch.disable")

    def open(self, url):
        self.call("Page.navigate", url=url)

    def js(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True,
                           awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def until(self, expression, patience=PATIENCE_S):
        """Seconds until the expression is true in the page."""
        start = time.monotonic()
        while not self.js(f"!!({expression})"):
            if time.monotonic() - start > patience:
                body = self.js("document.body.innerText")
                raise AssertionError(f"never true: {expression}\n{body[:1500]}")
            select.select([], [], [], 0.02)
        return time.monotonic() - start

    def key(self, key, text=""):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key,
                      text=text if kind == "keyDown" else "",
                      windowsVirtualKeyCode={"Enter": 13, "Tab": 9, "ArrowDown": 40}.get(key, 0))

    def type(self, text):
        self.call("Input.insertText", text=text)

    def size(self, width, height, mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=mobile)

    def dark(self, on):
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if on else "light"}])

    def picture(self, path):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))

    def complaints(self):
        """Errors of scripts, refusals of the policy, requests that went elsewhere."""
        found = []
        for event in self.events:
            params = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(params["exceptionDetails"].get("exception", {}).get("description", "?"))
            elif event["method"] == "Log.entryAdded" and params["entry"]["source"] == "security":
                found.append(params["entry"]["text"])
        return found

    def hosts(self):
        """Hosts the page has asked."""
        urls = [e["params"]["request"]["url"] for e in self.events
                if e["method"] == "Network.requestWillBeSent"]
        return {url.split("/")[2] for url in urls if url.startswith("http")}
