"""A node that is none: answers what a test says, in the way it says."""
import socket
import threading


def page(*processes, **members):
    """The answer to /api/processes."""
    return {"total": len(processes), "matched": len(processes), "processes": list(processes)} | members


def process(pid, name, **members):
    both = {"pid": pid, "name": name, "label": "server", "status": "idle", "mailbox": 0}
    return both | {"memory": 0, "handled": 0, "uptime_ms": 1.5, "children": 0, "parent": None} | members


class Fake:
    """`answer(path)` gives the bytes that are sent back, or an iterator of such; then it closes."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection):
        with connection:
            request = b""
            while b"\r\n\r\n" not in request:
                more = connection.recv(65536)
                if not more:
                    return
                request += more
            self.requests.append(request.decode())
            answer = self.answer(request.split()[1].decode())
            try:
                for part in [answer] if isinstance(answer, bytes) else answer:
                    connection.sendall(part)
            except OSError:
                pass  # whoever asked has had enough

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)  # or accept() goes on
        self.listener.close()


def http(body, status="200 OK", kind="application/json", length=None):
    body = body if isinstance(body, bytes) else body.encode()
    length = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body
