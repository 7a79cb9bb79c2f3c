#!/usr/bin/python3 -SE
"""A web process that writes one line for each request before it answers."""
import os
import signal
import socket
import threading
import time

word = open("/app/word").read().strip()
said = "%s %s %s\n" % (word, os.environ.get("NUMBER", "0"), os.environ["DYNO"])
answer = "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said)


def serve(connection):
    try:
        converse(connection)
    except OSError:
        pass  # The other side is gone.


def converse(connection):
    rest = b""
    with connection:
        while True:
            while b"\r\n\r\n" not in rest:
                more = connection.recv(4096)
                if not more:
                    return
                rest += more
            head, _, rest = rest.partition(b"\r\n\r\n")
            if head.startswith(b"HEAD"):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                return
            path = head.split(b" ", 2)[1]
            time.sleep(0.01)
            os.write(1, b"request " + path[1:] + b" .\n")
            connection.sendall(answer.encode())


listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("0.0.0.0", int(os.environ["PORT"])))
listener.listen(128)
# Drained before it is told to stop, it has nothing left to finish.
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
