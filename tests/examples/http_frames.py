# SPDX-License-Identifier: MIT
"""usage: http_frames.py PORT

Requests over plain sockets to a server with a classifier that takes bodies of up to 100,000 bytes. One whose end is in
doubt gets its one answer, and its connection is closed, so that nothing of it is taken for somebody's next request;
requests behind one another get one answer each, in order.
"""
import gzip
import socket
import sys
import time

port = int(sys.argv[1])
failures = 0


def exchange(request):
    """All that the server sends until it closes the connection; "open" at the end if it does not within some seconds."""
    out = b""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        try:
            connection.sendall(request)
            while True:
                part = connection.recv(65536)
                if not part:
                    return out
                out += part
        except (BrokenPipeError, ConnectionResetError):
            return out
        except socket.timeout:
            return out + b"open"


def check(name, status, request):
    global failures
    answer = exchange(request)
    found = answer.split(b" ", 2)[1].decode() if answer.startswith(b"HTTP/1.1 ") else "none"
    answers = answer.count(b"HTTP/1.1 ")
    once = answer.count(b"Connection: close") == 1 and b"Keep-Alive" not in answer
    if found != str(status) or answers != 1 or answer.endswith(b"open") or not once:
        failures += 1
        print(f"{name}: expected one answer {status} and an end, found {answers}, {found}: {answer[-200:]!r}")


def head(first, *fields):
    return "\r\n".join((first, "Host: localhost") + fields + ("", "")).encode()


text = b'{"input": "play some jazz"}'
post = "POST /classify HTTP/1.1"
length = f"Content-Length: {len(text)}"
chunk = b"%x\r\n%s\r\n0\r\n\r\n"
chunked = "Transfer-Encoding: chunked"
large = b'{"input": "%s"}' % (b"a" * 200000)
nested = head(post, length) + text  # a request within the body of another one

check("a GET with a body", 400, head("GET /health HTTP/1.1", f"Content-Length: {len(nested)}") + nested)
padding = b"A" * (4096 - len(head("GET /health HTTP/1.1", "Content-Length: 0000")))
check("a GET with a long body", 400,
      head("GET /health HTTP/1.1", f"Content-Length: {len(padding + nested):04}") + padding + nested)
check("a GET in chunks", 400, head("GET /health HTTP/1.1", chunked) + chunk % (len(nested), nested))
check("a HEAD with a body", 400, head("HEAD /health HTTP/1.1", f"Content-Length: {len(nested)}") + nested)
check("a HEAD with a long body", 400,
      head("HEAD /health HTTP/1.1", f"Content-Length: {len(padding + nested):04}") + padding[1:] + nested + b" ")
check("a whole address", 200, head("GET http://localhost/health HTTP/1.1", "Connection: close"))
check("a HEAD", 200, head("HEAD /health HTTP/1.1", "Connection: close"))
check("a PUT with a body", 400, head("PUT /classify HTTP/1.1", length) + text)
check("a PUT", 405, head("PUT /classify HTTP/1.1", "Connection: close"))
check("a DELETE of a model", 405, head("DELETE /v1/models/tiny-mlm HTTP/1.1", "Connection: close"))
check("no model", 404, head("GET /v1/models/ HTTP/1.1", "Connection: close"))
check("a model with a long name", 404, head(f"GET /v1/models/{'a' * 300} HTTP/1.1", "Connection: close"))
check("a model with an end of a line", 404, head("GET /v1/models/a%0Ab HTTP/1.1", "Connection: close"))
check("a method that nobody knows", 501, head("BREW /classify HTTP/1.1"))
check("a version that nobody knows", 505, head("GET /health HTTP/3.0"))
check("no version", 400, head("GET /health"))
check("a long target", 414, head(f"GET /{'a' * 9000} HTTP/1.1"))
check("a large head", 431, head("GET /health HTTP/1.1", "X: " + "a" * 70000))
check("a target with a blank", 400, head("GET /health /metrics HTTP/1.1"))
check("a POST elsewhere", 404, head("POST /nowhere HTTP/1.1", length) + text)
check("no length", 411, head(post))
check("two lengths", 400, head(post, "Content-Length: 4", length) + text)
check("a length and chunks", 400, head(post, length, chunked) + chunk % (len(text), text))
check("a length below 0", 400, head(post, "Content-Length: -1"))
check("a length that is no number", 400, head(post, "Content-Length: abc") + text)
check("a coding that is not known", 501, head(post, "Transfer-Encoding: gzip, chunked") + chunk % (len(text), text))
for name, field in (("a blank before the colon of a length", f"Content-Length : {len(text)}"),
                    ("a blank before the colon of a coding", "Transfer-Encoding : chunked"),
                    ("a blank before the colon of another field", "Host : localhost"),
                    ("a line that goes on", "X: a\r\n  b"), ("a line without a colon", "hello"),
                    ("a line that ends for some", "X: a\nContent-Length: 3"), ("a NUL", "X: a\0b"),
                    ("no name", ": a"), ("a length of two", f"Content-Length: {len(text)}, {len(text)}")):
    check(name, 400, head(post, length, field) + text)
    check(name + ", in a GET", 400, head("GET /health HTTP/1.1", field))
check("two hosts", 400, head(post, length, "Host: localhost") + text)
check("no host", 400, f"{post}\r\n{length}\r\n\r\n".encode() + text)
check("a coding of the body that nobody knows", 415, head(post, length, "Content-Encoding: zstd") + text)
check("a long type", 431, head(post, length, "Content-Type: " + "a" * 9000) + text)
small = gzip.compress(text)
check("a coding in capitals", 200, head(post, f"Content-Length: {len(small)}", "Content-Encoding: GZIP",
                                        "Connection: close") + small)
# Behind an answer that says that it is the last one there is no other.
check("no gzip, and a request behind it", 400, head(post, length, "Content-Encoding: gzip") + text + head(post, length) + text)
old = f"POST /classify HTTP/1.0\r\nExpect: 100-continue\r\n{length}\r\n\r\n".encode() + text
check("an expectation in HTTP/1.0", 200, old)
check("an expectation", 417, head(post, length, "Expect: tea") + text)
check("chunks in HTTP/1.0", 400, head("POST /classify HTTP/1.0", chunked) + chunk % (len(text), text))
for size in (b"0x%x", b"-%x", b"+%x", b"%x ", b" %x", b"%x;a=b", b"0000000%x", b""):
    size = size % len(text) if b"%" in size else size
    check(f"a chunk of size {size!r}", 400, head(post, chunked) + size + b"\r\n" + text + b"\r\n0\r\n\r\n")
check("a chunk that goes on", 400, head(post, chunked) + b"%x\r\n%s 0\r\n\r\n" % (len(text), text))
check("a field behind chunks", 400, head(post, chunked) + (chunk % (len(text), text))[:-2] + b"X: a\r\n\r\n")
check("a form", 415, head(post, length, "Content-Type: multipart/form-data; boundary=x") + text)
check("broken chunks", 400, head(post, chunked) + b"zz\r\n" + head("GET /health HTTP/1.1"))
check("chunks beyond the limit", 413, head(post, chunked) + chunk % (len(large), large))
check("chunks", 200, head(post, chunked, "Connection: close") + chunk % (len(text), text))
deep = b'{"input": ' + b"[" * 90000
check("values within values", 422, head(post, f"Content-Length: {len(deep)}", "Connection: close") + deep)
fields = ", ".join(f'"{i}": 0' for i in range(9000)).join("{}").encode()
check("many fields", 422, head(post, f"Content-Length: {len(fields)}", "Connection: close") + fields)
twice = b'{"input": "a", "input": "b"}'
check("a field twice", 400, head(post, f"Content-Length: {len(twice)}", "Connection: close") + twice)

# Requests that come before the answers to those before them.
requests = [
    (200, head("GET /health HTTP/1.1")),
    (200, b"\r\n" + head(post, length) + text),
    (404, head("GET /nowhere HTTP/1.1")),
    (200, head(post, chunked) + chunk % (len(text), text)),
    (422, head(post, f"Content-Length: {len(deep)}") + deep),
    (200, head("HEAD /health HTTP/1.1")),
    (200, head(post, length) + text),
    (405, head("PUT /classify HTTP/1.1", "Content-Length: 0")),
    (200, head("GET /v1/models/tiny-classifier HTTP/1.1", "Connection: close")),
]
together = b"".join(request for status, request in requests)
for size in (len(together), 4096, 1000):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        for at in range(0, len(together), size):
            connection.sendall(together[at:at + size])
        answer = b""
        while part := connection.recv(65536):
            answer += part
    found = [int(part.split(b" ", 1)[0]) for part in answer.split(b"HTTP/1.1 ")[1:]]
    if found != [status for status, request in requests]:
        failures += 1
        print(f"requests behind one another, {size} bytes at a time: {found}")
if b"Accept-Ranges" in exchange(head("HEAD /health HTTP/1.1", "Connection: close")):
    failures += 1
    print("an answer to HEAD promises ranges")

# A body that is announced as too large is refused before it comes, whether its client waits, asks, or sends all the same.
announced = head(post, "Content-Length: 99999999")
for name, request in (("waits", announced), ("asks", head(post, "Content-Length: 99999999", "Expect: 100-continue"))):
    with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        connection.sendall(request)
        if not connection.recv(65536).startswith(b"HTTP/1.1 413 "):
            failures += 1
            print(f"a client that announces too much and {name}: no 413")
check("a body that is too large", 413, head(post, "Content-Length: 3000000") + large * 15)
check("a large body elsewhere", 404, head("POST /nowhere HTTP/1.1", f"Content-Length: {len(large)}") + large)
# What a refused request still sends is thrown away as it comes: unpacking it could take seconds.
packed = gzip.compress(b"a" * 200_000_000)
begin = time.monotonic()
check("a body that unpacks to very much, elsewhere", 404,
      head("POST /nowhere HTTP/1.1", f"Content-Length: {len(packed)}", "Content-Encoding: gzip") + packed)
if time.monotonic() - begin > 2:
    failures += 1
    print("a refused body is unpacked")

# Answers come whole and as they are, whatever a request asks for: no ranges of them, and no compression.
whole = exchange(head(post, length, "Connection: close") + text)
for name, field in (("ranges", "Range: bytes=" + ",".join(["0-"] * 1000)), ("a range", "Range: bytes=0-3"),
                    ("a range beyond the end", "Range: bytes=9000-"), ("gzip", "Accept-Encoding: gzip, br")):
    if exchange(head(post, length, field, "Connection: close") + text) != whole:
        failures += 1
        print(f"a request with {name}: another answer than without")
print(f"{failures} failures")
sys.exit(failures != 0)
