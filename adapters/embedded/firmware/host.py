#!/usr/bin/env python3
"""host.py PROGRAM [--count]: runs the firmware in qemu and talks WebSocket to it over the emulated serial line.

The client is written from RFC 6455 and shares no code with tightwire. It ends with a line of how many checks passed, and
with status 0 only if all did. It also says how much flash, static RAM and stack the program used: the RAM behind its
static memory is painted before the start, and looked at afterwards.

With --count, PROGRAM is the one that echoes in memory. qemu logs each of its instructions for a while, and host.py
says how many an echo took, function by function.

All of it ends within two minutes, and qemu with it, whatever happens.
"""
import base64
import collections
import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

RAM, RAM_SIZE = 0x20000000, 128 << 10
RECEIVER = 0x4001100C  # the register of USART1 that turns it on
PAINT = b"\xa5"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
PATIENCE = 20  # seconds for one answer
TOTAL = 120  # seconds for everything
LOG = 48 << 20  # octets, some 80 for each instruction

passed, failed = 0, []


def check(what, is_right, seen=None):
    """Counts one check, and prints it."""
    global passed
    if is_right:
        passed += 1
        print(f"  ok      {what}")
    else:
        failed.append(what)
        print(f"  FAILED  {what}: {seen!r}")


# --- the client -------------------------------------------------------------------------------------------------


def frame(opcode, payload=b"", fin=True, mask=True, reserved=0):
    """A frame as a client sends it, or as it must not (RFC 6455 5.2)."""
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    masked = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([masked | len(payload)])
    elif len(payload) < 1 << 16:
        head += bytes([masked | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([masked | 127]) + struct.pack("!Q", len(payload))
    if not mask:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(octet ^ key[place & 3] for place, octet in enumerate(payload))


class Line:
    """The other end of the serial line, and a WebSocket client on it."""

    def __init__(self, stream):
        self.stream = stream
        self.stream.settimeout(PATIENCE)
        self.received = b""

    def more(self):
        octets = self.stream.recv(65536)
        if not octets:
            raise OSError("qemu closed the line")
        self.received += octets

    def take(self, count):
        while len(self.received) < count:
            self.more()
        octets, self.received = self.received[:count], self.received[count:]
        return octets

    def request(self, *lines):
        """Sends a request. Gives the status and the headers of the answer."""
        self.write("\r\n".join(["GET /echo HTTP/1.1", "Host: device", *lines, "", ""]).encode())
        while b"\r\n\r\n" not in self.received:
            self.more()
        head, self.received = self.received.split(b"\r\n\r\n", 1)
        first, *rest = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in rest)}
        self.take(int(headers.get("content-length", 0)))
        return int(first.split()[1]), headers

    def shake_hands(self, *more, key=None):
        """Opens a connection. Gives the status, whether the server has proven that it speaks WebSocket (RFC 6455
        4.2.2), and the headers."""
        key = key or base64.b64encode(os.urandom(16)).decode()
        status, headers = self.request("Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}",
                                       "Sec-WebSocket-Version: 13", *more)
        expected = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        proven = headers.get("sec-websocket-accept") == base64.b64encode(expected).decode()
        return status, proven, headers

    def write(self, octets):
        self.stream.sendall(octets)

    def send(self, opcode, payload=b"", fin=True):
        self.write(frame(opcode, payload, fin))

    def frame(self):
        """One frame: FIN, opcode, payload. Those of a server are not masked (RFC 6455 5.1)."""
        first, length = self.take(2)
        if first & 0x70 or length & 0x80:
            raise ValueError(f"reserved bits or a mask: {first:02x} {length:02x}")
        if length == 126:
            (length,) = struct.unpack("!H", self.take(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self.take(8))
        return bool(first & 0x80), first & 0x0F, self.take(length)

    def message(self):
        """One message, in however many fragments, and the control frames that came between them."""
        kind, payload, between = None, b"", []
        while True:
            fin, opcode, part = self.frame()
            if opcode >= CLOSE:
                between.append((opcode, part))
                continue
            if (opcode == CONTINUATION) == (kind is None):
                raise ValueError("a message in a message, or a continuation of none")
            kind, payload = kind or opcode, payload + part
            if fin:
                return kind, payload, between

    def echo(self, opcode, payload):
        self.send(opcode, payload)
        kind, echoed, _ = self.message()
        return kind, echoed

    def hang_up(self):
        """A serial line cannot be closed. After a fault the firmware waits until it has been silent for a while; then
        the next request is the next connection."""
        time.sleep(0.4)


# --- the conversation -------------------------------------------------------------------------------------------


def talk(line):
    # RFC 6455 1.3: the example of a key.
    status, proven, headers = line.shake_hands(key="dGhlIHNhbXBsZSBub25jZQ==")
    check("handshake: 101", status == 101 and proven, (status, headers))
    check("handshake: upgrade", headers.get("upgrade", "").lower() == "websocket"
          and headers.get("connection", "").lower() == "upgrade", headers)

    for what, opcode, payload in [("text", TEXT, "grün, 緑, 💚".encode()), ("an empty text", TEXT, b""),
                                  ("binary", BINARY, bytes(range(256)))]:
        seen = line.echo(opcode, payload)
        check(what, seen == (opcode, payload), seen)
    for octets in (125, 126, 127, 1000, 4000, 20000):
        payload = os.urandom(octets)
        check(f"binary of {octets} octets", line.echo(BINARY, payload) == (BINARY, payload))

    line.send(PONG, b"unasked")
    for payload in (b"", b"alive?", b"p" * 125):
        line.send(PING, payload)
        seen = line.frame()
        check(f"ping of {len(payload)} octets", seen == (True, PONG, payload), seen)

    # RFC 6455 5.4: control frames come between fragments; 5.6: a character may be cut.
    line.send(TEXT, "in dreiß".encode()[:-1], fin=False)
    line.send(PING, b"between")
    line.send(CONTINUATION, b"", fin=False)
    line.send(CONTINUATION, "ß".encode()[1:] + b"ig", fin=False)
    line.send(CONTINUATION, b" parts")
    seen = line.message()
    check("fragments, with a ping between them",
          seen == (TEXT, "in dreißig parts".encode(), [(PONG, b"between")]), seen)

    line.write(b"".join(frame(TEXT, str(number).encode()) for number in range(50)))
    seen = [line.message()[1] for _ in range(50)]
    check("50 messages at once, in order", seen == [str(number).encode() for number in range(50)], seen)

    # RFC 6455 5.5.1: the answer to a Close frame carries its code.
    line.send(CLOSE, struct.pack("!H", 1000) + b"done")
    fin, opcode, payload = line.frame()
    check("close: 1000", (fin, opcode, payload[:2]) == (True, CLOSE, b"\x03\xe8"), payload)

    violation(line, "an unmasked frame", frame(TEXT, b"?", mask=False), 1002)
    violation(line, "a reserved bit", frame(TEXT, b"?", reserved=4), 1002)
    violation(line, "an unknown opcode", frame(3, b"?"), 1002)
    violation(line, "a fragmented ping", frame(PING, b"?", fin=False), 1002)
    violation(line, "a continuation of nothing", frame(CONTINUATION, b"?"), 1002)
    violation(line, "text that is not UTF-8", frame(TEXT, b"a\xc0\xaf"), 1007)
    violation(line, "a close code that is never sent", frame(CLOSE, struct.pack("!H", 1005)), 1002)

    status, headers = line.request()
    check("a request that asks for no WebSocket is refused", 400 <= status < 500, (status, headers))
    line.hang_up()
    status, proven, headers = line.shake_hands("Sec-WebSocket-Protocol: echo, chat")
    check("a connection after all of that", status == 101 and proven, (status, headers))
    line.send(CLOSE)
    seen = line.frame()
    check("close without a code", seen == (True, CLOSE, b""), seen)


def violation(line, what, octets, code):
    """A connection on which the client breaks the rules: it is told so with the right close code."""
    status, proven, _ = line.shake_hands()
    line.write(octets)
    opcode, payload = TEXT, b""
    while opcode < CLOSE:
        # The good beginning of a message may come back first.
        fin, opcode, payload = line.frame()
    seen = (status, proven, fin, opcode, payload[:2])
    check(f"{what}: {code}", seen == (101, True, True, CLOSE, struct.pack("!H", code)), seen)
    line.hang_up()


# --- the machine ------------------------------------------------------------------------------------------------


class Machine:
    """The emulated machine. Its serial line and its monitor are sockets, to which qemu connects."""

    def __init__(self, program, folder):
        self.flash, self.free = sizes(program)
        self.dump = os.path.join(folder, "memory")
        with open(self.dump, "wb") as file:
            file.write(PAINT * (RAM + RAM_SIZE - self.free))
        with listener() as serial, listener() as monitor:
            self.process = subprocess.Popen(
                ["qemu-system-arm", "-machine", "netduinoplus2", "-kernel", program, "-display", "none", "-nodefaults",
                 "-device", f"loader,file={self.dump},addr={self.free:#x},force-raw=on",
                 "-serial", f"tcp:127.0.0.1:{serial.getsockname()[1]}",
                 "-qmp", f"tcp:127.0.0.1:{monitor.getsockname()[1]}"],
                stdin=subprocess.DEVNULL)
            self.line = Line(serial.accept()[0])
            self.monitor = monitor.accept()[0].makefile("rw")
        self.monitor.readline()
        self.ask("qmp_capabilities")

    def ask(self, what, **arguments):
        self.monitor.write(json.dumps({"execute": what, "arguments": arguments}))
        self.monitor.flush()
        while "event" in (answer := json.loads(self.monitor.readline())):
            pass
        return answer["return"]

    def command(self, line):
        return self.ask("human-monitor-command", **{"command-line": line})

    def await_receiver(self):
        """Until the program has turned it on, what is sent to it is lost."""
        while "0x0000\r" in self.command(f"xp /1hx {RECEIVER:#x}"):
            time.sleep(0.01)

    def stack(self):
        """The octets of RAM from the lowest that the stack has ever reached to the highest."""
        self.ask("pmemsave", val=self.free, size=RAM + RAM_SIZE - self.free, filename=self.dump)
        with open(self.dump, "rb") as file:
            return len(file.read().lstrip(PAINT))

    def stop(self):
        self.process.kill()
        self.process.wait()


def listener():
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(PATIENCE)
    return server


def sizes(program):
    """The octets of flash that the program takes, and the first address of RAM behind its static memory."""
    with open(program, "rb") as file:
        image = file.read()
    (table,), (entry, count) = struct.unpack_from("<I", image, 28), struct.unpack_from("<HH", image, 42)
    flash, free = 0, RAM
    for place in range(table, table + entry * count, entry):
        kind, _, address, _, in_file, in_memory = struct.unpack_from("<6I", image, place)
        if kind == 1:
            flash += in_file
            if RAM <= address < RAM + RAM_SIZE:
                free = max(free, address + in_memory)
    return flash, free


def count(machine, folder):
    """Prints how many instructions the echo of a message of 128 octets takes, and in which functions. Those of the
    transport are left out."""
    log = os.path.join(folder, "log")
    if "unknown" in machine.command("one-insn-per-tb on"):  # as qemu calls it since 8.1
        machine.command("singlestep on")
    machine.command(f"logfile {log}")
    machine.command("log exec,nochain")
    while not os.path.exists(log) or os.path.getsize(log) < LOG:
        time.sleep(0.1)
    machine.command("log none")
    # From one write to the next is one echo. The first one is cut, the last one, too.
    echoes, last = [collections.Counter()], ""
    with open(log) as file:
        for line in file:
            if line.startswith("Trace"):
                function = line.rsplit("]", 1)[1].strip()
                if "5Write5write" in function and function != last:
                    echoes.append(collections.Counter())
                if "6Frames" not in function:
                    echoes[-1][function] += 1
                last = function
    counts = sorted({echo.total(): echo for echo in echoes[1:-1]}.items())
    for instructions, echo in counts:
        print(f"host: {instructions} instructions for an echo, in")
        for function, part in echo.most_common(12):
            print(f"{part:12}  {function}")
    # Two ways of arriving: at once, and octet by octet.
    check(f"each of {len(echoes) - 2} echoes took as many instructions as the others that arrived like it",
          len(echoes) > 4 and len(counts) == 2, [instructions for instructions, _ in counts])


def main(program, *arguments):
    began = time.monotonic()
    for limit in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(limit, lambda *_: sys.exit("host: out of time"))
    signal.alarm(TOTAL)
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(program, folder)
        try:
            if "--count" in arguments:
                count(machine, folder)
            else:
                machine.await_receiver()
                talk(machine.line)
                print(f"host: {machine.flash} octets of flash, {machine.free - RAM} of static RAM, "
                      f"{machine.stack()} of stack")
        except (OSError, ValueError) as error:
            check("the conversation came to its end", False, error)
        finally:
            machine.stop()
    print(f"host: {passed} passed, {len(failed)} failed, in {time.monotonic() - began:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
