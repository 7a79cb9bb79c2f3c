# Fetches uv's wheel from the package index, checks it against the index's digest, unpacks the program.
import hashlib, html.parser, io, os, platform, re, sys, urllib.parse, urllib.request, zipfile

version, target = sys.argv[1], sys.argv[2]
index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple"
page = index.rstrip("/") + "/uv/"
libc = "musllinux" if platform.libc_ver()[0] == "" else "manylinux"
wanted = re.compile(rf"^uv-{re.escape(version)}-py3-none-[\w.]*{libc}[\w.]*_{platform.machine()}[\w.]*\.whl$")


class Links(html.parser.HTMLParser):
    found = None

    def handle_starttag(self, tag, attributes):
        link = urllib.parse.urljoin(page, dict(attributes).get("href") or "")
        name = urllib.parse.unquote(urllib.parse.urlsplit(link).path.rsplit("/", 1)[-1])
        if tag == "a" and self.found is None and wanted.match(name):
            self.found = link


def read(url):
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read()


try:
    links = Links()
    links.feed(read(page).decode())
    if not links.found:
        sys.exit(f"{page} has no uv {version} for this machine")
    link, _, fragment = links.found.partition("#")
    wheel = read(link)
except OSError as error:
    sys.exit(f"could not fetch uv {version} from {page}: {error}")
if fragment != "sha256=" + hashlib.sha256(wheel).hexdigest():
    sys.exit(f"{link} is not what {page} says it is")
with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
    program = next(n for n in archive.namelist() if n.endswith(".data/scripts/uv"))
    with open(os.path.join(target, "uv"), "wb") as out:
        out.write(archive.read(program))
os.chmod(os.path.join(target, "uv"), 0o755)
