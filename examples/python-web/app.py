"""Says hello: with the greeting of its config, from the release and process that it is."""

import os

from bottle import Bottle, response

GREETING = os.environ.get("GREETING", "Hello")
RELEASE = os.environ.get("NOON_RELEASE_VERSION", "no release")
PROCESS = os.environ.get("DYNO", "no process")

app = Bottle()


@app.get("/")
def hello():
    response.content_type = "text/plain; charset=utf-8"
    return f"{GREETING} from {RELEASE}, {PROCESS}\n"
