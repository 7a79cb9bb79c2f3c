"""Logs a heartbeat every few seconds, until it is told to stop."""

import os
import signal
import threading

PAUSE_S = float(os.environ.get("HEARTBEAT_SECONDS", "5"))

stopping = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
signal.signal(signal.SIGINT, lambda *_: stopping.set())

beats = 0
print("worker started", flush=True)
while not stopping.wait(PAUSE_S):
    beats += 1
    print(f"heartbeat={beats}", flush=True)
print(f"worker stopped after {beats} heartbeats", flush=True)
