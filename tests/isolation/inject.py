"""Makes an attempt of probe.py from inside a service: its own thread is stopped, made to do system
calls, and let go on as if nothing had been. So they meet the service's own capabilities, filter,
namespaces and mounts. Reads and answers as probe.py does.
"""
import ctypes, errno, fcntl, glob, json, os, socket, struct, sys

import probe
from probe import X86, libc

# Number on x86-64, number on aarch64.
NUMBERS = {
    "read": (0, 63), "close": (3, 57), "openat": (257, 56), "getdents64": (217, 61),
    "unlinkat": (263, 35), "mknodat": (259, 33), "readlinkat": (267, 78), "getpid": (39, 172),
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "sendto": (44, 206),
    "recvfrom": (45, 207), "getsockopt": (55, 209), "ppoll": (271, 73), "kill": (62, 129),
    "ptrace": (101, 117), "shmget": (29, 194), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
}
# A stop's registers: how many, where number, arguments, result, instruction.
SHAPE = (27, 10, (14, 13, 12, 7, 9, 8), 10, 16) if X86 else (34, 8, (0, 1, 2, 3, 4, 5), 0, 32)
STEP = (b"\x0f\x05" if X86 else b"\x01\x00\x00\xd4")
ATTACH, DETACH, SINGLE_STEP, GET, SET = 16, 17, 9, 0x4204, 0x4205
AT_CWD = -100
NONBLOCK = 0o4000


class Service:
    """The service while it is stopped."""

    def __init__(self, pid):
        self.pid = pid
        self.trace(ATTACH, 0, 0)
        os.waitpid(pid, 0x40000000)
        self.mem = open(f"/proc/{pid}/mem", "r+b", buffering=0)
        self.saved = self.registers()
        self.room = self.somewhere()
        self.kept = self.peek(self.room, 1 << 15)

    def trace(self, request, address, data):
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        if libc.ptrace(request, self.pid, address, data) == -1:
            raise RuntimeError(f"ptrace {request}: {os.strerror(ctypes.get_errno())}")

    def somewhere(self):
        with open(f"/proc/{self.pid}/maps") as maps:
            for line in maps:
                place, rights, *_ = line.split()
                start, end = (int(word, 16) for word in place.split("-"))
                if rights == "rw-p" and line.rstrip().endswith("[heap]") and end - start >= 1 << 15:
                    return start
        raise RuntimeError("no memory to borrow")

    def peek(self, address, count):
        self.mem.seek(address)
        return self.mem.read(count)

    def poke(self, address, data):
        self.mem.seek(address)
        self.mem.write(data)

    def registers(self, new=None):
        count = SHAPE[0]
        buffer = (ctypes.c_uint64 * count)(*(new or []))
        vector = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 8 * count)
        self.trace(SET if new else GET, 1, ctypes.addressof(vector))
        return list(buffer)

    def call(self, number, *arguments):
        """One system call; bytes are laid into the service's memory, and stay there until the next."""
        count, where, places, result, instruction = SHAPE
        registers = list(self.saved)
        at = self.room
        for place, argument in zip(places, list(arguments) + [0] * (6 - len(arguments))):
            if isinstance(argument, bytes):
                self.poke(at, argument + b"\0")
                registers[place], at = at, at + (len(argument) + 16 & ~15)
            else:
                registers[place] = argument & (1 << 64) - 1
        registers[where] = number
        pc = self.saved[instruction]
        # Stopped in a call, or about to make it again.
        pc = next(at for at in (pc - len(STEP), pc) if self.peek(at, len(STEP)) == STEP)
        registers[instruction] = pc
        if X86:
            # This is no call that would have to be made again.
            registers[15] = (1 << 64) - 1
        self.registers(registers)
        self.trace(SINGLE_STEP, 0, 0)
        _, status = os.waitpid(self.pid, 0x40000000)
        if not os.WIFSTOPPED(status):
            raise RuntimeError("the service died of it")
        answer = ctypes.c_int64(self.registers()[result]).value
        if -4096 < answer < 0:
            raise OSError(-answer, os.strerror(-answer))
        return answer

    def __getattr__(self, name):
        number = NUMBERS[name][0 if X86 else 1]
        return lambda *arguments: self.call(number, *arguments)

    def go_on(self):
        self.poke(self.room, self.kept)
        self.registers(self.saved)
        self.trace(DETACH, 0, 0)

    # The attempts, by the names they have in probe.py.

    def opening(self, path, flags=0, mode=0):
        return self.openat(AT_CWD, os.fsencode(path), flags, mode)

    def content(self, path, count=4096):
        file = self.opening(path)
        try:
            # Into the room, behind what calls lay there.
            return self.peek(self.room + 8192, self.read_into(file, count))
        finally:
            self.close(file)

    def read_into(self, file, count):
        return self.call(NUMBERS["read"][0 if X86 else 1], file, self.room + 8192, count)

    def names(self, path):
        folder, found = self.opening(path, os.O_DIRECTORY), []
        try:
            while count := self.getdents64(folder, self.room + 8192, 8192):
                data = self.peek(self.room + 8192, count)
                while data:
                    length, = struct.unpack_from("H", data, 16)
                    found.append(data[19:length].split(b"\0")[0].decode())
                    data = data[length:]
        finally:
            self.close(folder)
        return [name for name in found if name not in (".", "..")]

    def reached(self, family, kind, address):
        one = self.socket(family, kind | NONBLOCK, 0)
        try:
            try:
                self.connect(one, address, len(address))
            except OSError as error:
                if error.errno not in (errno.EINPROGRESS, errno.EAGAIN):
                    raise
            if kind == socket.SOCK_DGRAM:
                self.sendto(one, b"?", 1, 0, 0, 0)
            waited = struct.pack("ihh", one, 1, 0).ljust(16, b"\0"), 1, struct.pack("qq", 1, 0), 0, 0
            if not self.ppoll(*waited):
                raise socket.timeout
            self.recvfrom(one, self.room + 8192, 100, 0, 0, 0)
            return "answered"
        finally:
            self.close(one)

    def inet(self, kind, address, port):
        if ":" in address:
            packed = struct.pack("=HHI", socket.AF_INET6, socket.htons(port), 0)
            packed += socket.inet_pton(socket.AF_INET6, address) + bytes(4)
            return self.reached(socket.AF_INET6, kind, packed)
        packed = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(port), socket.inet_aton(address))
        return self.reached(socket.AF_INET, kind, packed)

    def try_tcp(self, address, port):
        return self.inet(socket.SOCK_STREAM, address, port)

    def try_udp(self, address, port):
        return self.inet(socket.SOCK_DGRAM, address, port)

    def try_unix(self, path):
        name = path.replace("@", "\0", 1) if path.startswith("@") else path
        return self.reached(socket.AF_UNIX, socket.SOCK_STREAM, struct.pack("H", 1) + os.fsencode(name))

    def try_connects(self, path):
        one = self.socket(socket.AF_UNIX, socket.SOCK_STREAM | NONBLOCK, 0)
        try:
            address = struct.pack("H", 1) + os.fsencode(path)
            self.connect(one, address, len(address))
        finally:
            self.close(one)
        return "connected"

    def try_fifo(self, path):
        return self.closed(self.opening(path, os.O_WRONLY | os.O_NONBLOCK))

    def closed(self, descriptor):
        self.close(descriptor)
        return "open"

    def try_family(self, number):
        return self.closed(self.socket(number, socket.SOCK_STREAM if number == 40 else socket.SOCK_RAW, 0))

    def try_packet(self, interface):
        return self.closed(self.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))

    def try_read(self, path):
        return len(self.content(path, 64)) or "nothing in it"

    def try_listing(self, path):
        if not (found := self.names(path)):
            raise OSError(errno.ENOENT, "empty")
        return len(found)

    def try_create(self, path):
        self.closed(self.opening(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self.unlinkat(AT_CWD, os.fsencode(path), 0)
        return "created"

    def try_opened(self, path):
        return self.closed(self.opening(path, os.O_WRONLY))

    def try_device(self, path):
        return self.closed(self.opening(path, os.O_NONBLOCK))

    def try_mknod(self, folder, major, minor):
        path = os.fsencode(f"{folder}/probe-service")
        self.mknodat(AT_CWD, path, 0o600 | 0o060000, os.makedev(major, minor))
        self.unlinkat(AT_CWD, path, 0)
        return "made"

    def in_processes(self, file, text):
        for name in self.names("/proc"):
            if name.isdigit():
                try:
                    if text.encode() in self.content(f"/proc/{name}/{file}"):
                        return name
                except OSError:
                    pass
        raise OSError(errno.ESRCH, "in no process")

    def try_process(self, marker):
        return self.in_processes("cmdline", marker)

    def try_environment(self, secret):
        return self.in_processes("environ", secret)

    def try_signal(self, pid):
        if os.path.exists(f"/proc/{pid}") and pid < 300:
            raise OSError(errno.ESRCH, "a process of this node has the number")
        self.kill(pid, 0)
        return "may be signalled"

    def try_ptrace(self, pid):
        self.ptrace(ATTACH, pid, 0, 0)
        return "attached"

    def try_descriptor_of(self, pid):
        return self.closed(self.pidfd_getfd(self.pidfd_open(pid, 0), 0, 0))

    def try_memory(self, pid):
        return len(self.content(f"/proc/{pid}/environ"))

    def try_root_of(self, pid, path):
        return self.try_listing(f"/proc/{pid}/root{path}")

    def try_shared_memory(self, key):
        self.shmget(key, 0, 0)
        return "found"

    def try_other_end(self, namespace, delete):
        # A dump needs a socket only; to look through another end, a capability over it.
        flags, kind = (0x5, 17) if delete else (0x301, 18)
        body = struct.pack("BBHiII", 0, 0, 0, 2 if delete else 0, 0, 0) + struct.pack("HHi", 8, 46, namespace)
        one = self.socket(16, socket.SOCK_RAW, 0)
        try:
            request = struct.pack("IHHII", 16 + len(body), kind, flags, 1, 0) + body
            self.sendto(one, request, len(request), 0, 0, 0)
            count = self.recvfrom(one, self.room + 8192, 8192, 0, 0, 0)
            answer = self.peek(self.room + 8192, count)
        finally:
            self.close(one)
        kind, = struct.unpack_from("H", answer, 4)
        code, = struct.unpack_from("i", answer, 16)
        if kind in (2, 3) and code:
            raise OSError(-code, os.strerror(-code))
        return f"answer {kind}"

    def try_syscall(self, name):
        x86, arm, *arguments = probe.CALLS[name]
        try:
            self.call(x86 if X86 else arm, *arguments)
        except OSError as error:
            if error.errno in (errno.EPERM, errno.ENOSYS, errno.EACCES):
                raise
            return f"reached the kernel: {errno.errorcode[error.errno]}"
        return "done"

    def try_identity(self):
        return self.getpid()


def of_this_node():
    for path in glob.glob("/proc/[0-9]*/comm"):
        with open(path) as file:
            if file.read().strip() == "tier-web":
                return int(path.split("/")[2])
    raise RuntimeError("no service runs here")


request = json.load(sys.stdin)
# One attempt at a time.
with open("/run/inject.lock", "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    service = Service(of_this_node())
    try:
        answer = probe.said(lambda: getattr(service, "try_" + request["probe"])(*request["arguments"]))
    finally:
        service.go_on()
print(json.dumps(answer))
