#!/usr/bin/python3 -u
"""Answers with what the tests ask: a file's word, the environment, slowly, or by dying."""
import http.client
import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


BOOT = os.urandom(8).hex()


def fetch(host, path):
    """Asks another server; its status and body, or why there is none."""
    try:
        connection = http.client.HTTPConnection(host, timeout=60)
        connection.request("GET", "/" + path)
        answer = connection.getresponse()
        return "%d %s" % (answer.status, answer.read().decode())
    except OSError as error:
        return "refused: %s" % error
    except http.client.HTTPException as error:
        return "broken: %r" % error


hoard = []


def memory_limit():
    """As a runtime reads it to size itself; nothing where no cgroup is shown."""
    for path in ("memory/memory.limit_in_bytes", "memory.max"):
        try:
            return open("/sys/fs/cgroup/" + path).read().strip()
        except OSError:
            pass
    return "(none)"


def hang():
    os.kill(os.getpid(), signal.SIGSTOP)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        what, _, rest = self.path.lstrip("/").partition("/")
        status = 200
        if what == "env":
            body = os.environ.get(rest, "(none)")
        elif what == "slow":
            time.sleep(float(rest))
            body = "slow"
        elif what == "die":
            os._exit(3)
        elif what == "memory":
            body = memory_limit()
        elif what == "hang":
            threading.Timer(0.2, hang).start()
            body = "hanging"
        elif what == "health":
            body = open("/app/word").read()
            status = 503 if body == "sick\n" else 200
        elif what == "say":
            print(rest)
            body = "said"
        elif what == "boot":
            body = BOOT
        elif what == "fetch":
            body = fetch(*rest.split("/", 1))
        elif what == "head":
            body = str(self.headers)
        elif what == "write":
            with open("/app/written", "a") as file:
                file.write(rest)
            body = open("/app/written").read()
        elif what == "grow":
            hoard.append(b"x" * (int(rest) << 20))
            body = "grown"
        elif what == "reach":
            host, port = rest.split("/")
            try:
                socket.create_connection((host, int(port)), 2).close()
                body = "reached"
            except OSError as error:
                body = "refused: %s" % error
        else:
            body = open("/app/word").read()
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128


server = Server(("0.0.0.0", int(os.environ["PORT"])), Handler)


def stop(*_):
    print("stopping")
    threading.Thread(target=server.shutdown).start()


signal.signal(signal.SIGTERM, stop)
print("listening")
server.serve_forever()
os._exit(0)
