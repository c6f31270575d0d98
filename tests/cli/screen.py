"""A program in a pseudo-terminal, and what its screen shows.

Understands the sequences that tools/spawned/terminal.c and top_view.c write, and fails on any other.
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
import unicodedata

SEQUENCE = re.compile(r"\x1b\[(\??)([0-9;]*)([A-Za-z])")


class Screen:
    """Runs `command` with a screen of that size."""

    def __init__(self, command, env, rows=24, columns=80):
        self.rows, self.columns = rows, columns
        self.raw = b""
        self._undecoded = b""
        self._pending = ""
        self.alternate = self.cursor_hidden = False
        self._clear()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, env)
        self.before = termios.tcgetattr(self.fd)
        self.resize(rows, columns)

    def _clear(self):
        self.cells = [[" "] * self.columns for _ in range(self.rows)]
        self.row = self.column = 0

    def resize(self, rows, columns):
        self.rows, self.columns = rows, columns
        self._clear()
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _sequence(self, private, numbers, letter):
        if private:
            on = letter == "h"
            if numbers == "1049":
                self.alternate = on
            elif numbers == "25":
                self.cursor_hidden = not on
            elif numbers != "7":
                raise AssertionError(f"unknown sequence ?{numbers}{letter}")
        elif letter == "H":
            self.row = self.column = 0
        elif letter == "K":
            self.cells[self.row][self.column :] = [" "] * (self.columns - self.column)
        elif letter == "J":
            first = 0 if numbers == "2" else self.row + 1
            for row in range(first, self.rows):
                self.cells[row] = [" "] * self.columns
        elif letter != "m":
            raise AssertionError(f"unknown sequence {numbers}{letter}")

    def _put(self, char):
        if char == "\r":
            self.column = 0
        elif char == "\n":
            self.row = min(self.row + 1, self.rows - 1)
        elif unicodedata.category(char) == "Cc":
            raise AssertionError(f"control character {char!r} reaches the terminal")
        elif unicodedata.combining(char) == 0:
            wide = 2 if unicodedata.east_asian_width(char) in "WF" else 1
            if self.column + wide <= self.columns:
                self.cells[self.row][self.column] = char
                if wide == 2:
                    self.cells[self.row][self.column + 1] = ""
            self.column = min(self.column + wide, self.columns)

    def _feed(self, data):
        self.raw += data
        whole = self._undecoded + data
        # A character may come in two pieces.
        cut = len(whole)
        while cut > 0 and cut > len(whole) - 4 and whole[cut - 1] & 0xC0 == 0x80:
            cut -= 1
        if cut > 0 and whole[cut - 1] >= 0xC0:
            cut -= 1
        try:
            whole.decode()
            cut = len(whole)
        except UnicodeDecodeError:
            pass
        self._undecoded = whole[cut:]
        text = self._pending + whole[:cut].decode()
        self._pending = ""
        at = 0
        while at < len(text):
            if text[at] != "\x1b":
                self._put(text[at])
                at += 1
                continue
            match = SEQUENCE.match(text, at)
            if not match:
                if len(text) - at > 12:
                    raise AssertionError(f"unknown sequence {text[at:at + 12]!r}")
                self._pending = text[at:]
                return
            self._sequence(*match.groups())
            at = match.end()

    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]

    def text(self):
        return "\n".join(self.lines())

    def read(self, timeout=0.1):
        """Takes in what comes; false: the program has closed the terminal."""
        if not select.select([self.fd], [], [], timeout)[0]:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            return False
        if data:
            self._feed(data)
        return bool(data)

    def until(self, found, what, timeout=60):
        """Waits until `found(self)`; a guard of a minute."""
        end = time.monotonic() + timeout
        while not found(self):
            if time.monotonic() > end or not self.read():
                raise AssertionError(f"never seen: {what}\n{self.text()}")

    def keys(self, text):
        os.write(self.fd, text.encode())

    def wait(self, timeout=60):
        """The exit status, negative for a signal; the terminal must be as it was."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            while self.read(0):
                if not select.select([self.fd], [], [], 0)[0]:
                    break
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                while time.monotonic() < end and self.read(0.02):
                    pass  # what it wrote last
                return os.waitstatus_to_exitcode(status)
            self.read(0.02)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError("it does not end")

    def is_as_before(self):
        return (
            not self.alternate
            and not self.cursor_hidden
            and termios.tcgetattr(self.fd)[3] == self.before[3]
        )
