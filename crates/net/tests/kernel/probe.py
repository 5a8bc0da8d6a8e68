"""What a process of a jail, or of the host, sees: answers lines of Python with one line each.

probe.py [CGROUP]: enters the cgroup first. An expression is answered by its value, a statement by None, a
failed system call by the name of its errno.
"""
import ctypes, errno, mmap, os, select, struct, sys
from socket import *

IP_FREEBIND, IP_TRANSPARENT, IP_PKTINFO, SO_BINDTODEVICE = 15, 19, 8, 25
MSG_FASTOPEN = 0x20000000
libc = ctypes.CDLL(None, use_errno=True)


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


def made(family, kind, protocol=0):
    s = socket(family, kind, protocol)
    s.settimeout(2)
    return s


def tcp(v=4):
    return made(AF_INET if v == 4 else AF_INET6, SOCK_STREAM)


def udp(v=4):
    return made(AF_INET if v == 4 else AF_INET6, SOCK_DGRAM)


def bound(s, address, port=0):
    s.bind((address, port))
    return s


def listening(s, address, port=0):
    s.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
    bound(s, address, port).listen(600)
    return s


def connected(s, address, port):
    s.connect((address, port))
    return s


def name(s):
    return s.getsockname()[0]


def port(s):
    return s.getsockname()[1]


def peer(s):
    """Whoever connects next."""
    return s.accept()[1][0]


def sent(s, address, port, control=[]):
    return s.sendmsg([b"x"], control, 0, (address, port))


def source(s):
    """Where the next datagram is from."""
    return s.recvfrom(100)[1][0]


def pktinfo(address):
    return [(IPPROTO_IP, IP_PKTINFO, struct.pack("=i4s4s", 0, inet_pton(AF_INET, address), bytes(4)))]


def pktinfo6(address):
    return [(IPPROTO_IPV6, IPV6_PKTINFO, inet_pton(AF_INET6, address) + struct.pack("=i", 0))]


def echo(s, address):
    """Sends an ICMP echo request and waits for the reply; a raw socket sees the request, too."""
    request = struct.pack("!BBHHH", 8, 0, 0xF7FF - 0x1234, 0x1234, 0)
    request = request if s.type == SOCK_DGRAM else struct.pack("!BBHHH", 8, 0, 0xF7FF - 0x1234, 0x1234, 0)
    s.sendto(request, (address, 0))
    while True:
        answer = s.recv(100)
        if s.type == SOCK_RAW:
            answer = answer[20:]
        if answer[0] == 0:
            return "answered"


def forged(source, destination, protocol=17):
    """Sends a packet whose header is made here."""
    s = made(AF_INET, SOCK_RAW, IPPROTO_RAW)
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28, 1, 0, 64, protocol, 0, inet_aton(source), inet_aton(destination))
    return s.sendto(header + struct.pack("!HHHH", 1, 9, 8, 0), (destination, 0))


class Ring:
    """As much of io_uring as one call at a time takes."""

    def __init__(self):
        self.params = bytearray(120)
        view = (ctypes.c_char * 120).from_buffer(self.params)
        self.fd = libc.syscall(425, 4, view)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "io_uring_setup")
        p = struct.unpack("=30I", self.params)
        entries, cq_entries = p[0], p[1]
        self.sq_tail, self.sq_mask, self.sq_array = p[11], p[12], p[16]
        self.cq_head, self.cq_tail, self.cq_mask, self.cqes = p[20], p[21], p[22], p[25]
        self.sq = mmap.mmap(self.fd, self.sq_array + entries * 4, offset=0)
        self.cq = mmap.mmap(self.fd, self.cqes + cq_entries * 16, offset=0x8000000)
        self.sqes = mmap.mmap(self.fd, entries * 64, offset=0x10000000)

    def word(self, ring, at):
        return struct.unpack_from("=I", ring, at)[0]

    def call(self, opcode, fd, address=0, length=0, offset=0, flags=0):
        """One request; its result, or the errno's name."""
        tail = self.word(self.sq, self.sq_tail)
        slot = tail & self.word(self.sq, self.sq_mask)
        struct.pack_into("=BBHiQQIIQ24x", self.sqes, slot * 64, opcode, 0, 0, fd, offset, address, length, flags, 7)
        struct.pack_into("=I", self.sq, self.sq_array + slot * 4, slot)
        struct.pack_into("=I", self.sq, self.sq_tail, tail + 1)
        if libc.syscall(426, self.fd, 1, 1, 1, None, 0) < 0:
            return errno.errorcode[ctypes.get_errno()]
        head = self.word(self.cq, self.cq_head)
        at = self.cqes + (head & self.word(self.cq, self.cq_mask)) * 16
        result = struct.unpack_from("=i", self.cq, at + 8)[0]
        struct.pack_into("=I", self.cq, self.cq_head, head + 1)
        return errno.errorcode[-result] if result < 0 else result

    @staticmethod
    def name(address, port):
        return ctypes.create_string_buffer(struct.pack("!4s8x", inet_aton(address)).join([struct.pack("=H", AF_INET) + struct.pack("!H", port), b""]), 16)

    def socket(self, family, kind, protocol=0):
        return self.call(45, family, length=protocol, offset=kind)

    def connect(self, fd, address, port):
        name = self.name(address, port)
        return self.call(16, fd, ctypes.addressof(name), offset=16)

    def bind(self, fd, address, port):
        name = self.name(address, port)
        return self.call(56, fd, ctypes.addressof(name), offset=16)

    def sendmsg(self, fd, address, port):
        name, data = self.name(address, port), ctypes.create_string_buffer(b"x", 1)
        vector = ctypes.create_string_buffer(struct.pack("=QQ", ctypes.addressof(data), 1), 16)
        message = ctypes.create_string_buffer(struct.pack("=QIIQQQQiI", ctypes.addressof(name), 16, 0, ctypes.addressof(vector), 1, 0, 0, 0, 0), 56)
        return self.call(9, fd, ctypes.addressof(message), length=1)


def answer(line):
    try:
        try:
            return repr(eval(line, globals()))
        except SyntaxError:
            exec(line, globals())
            return "None"
    except TimeoutError:
        return "TIMEOUT"
    except OSError as error:
        return errno.errorcode.get(error.errno, repr(error))
    except Exception as error:
        return "FAILED " + repr(error)


if len(sys.argv) > 1:
    write(sys.argv[1] + "/cgroup.procs", "0")
print("ready", flush=True)
for line in sys.stdin:
    print(answer(line.strip()), flush=True)
