"""A registry of container images that has one, for tests of pulling: the read side of the OCI distribution API."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import busybox_image


@contextmanager
def registry(directory: Path) -> Iterator[str]:
    """`localhost:<port>`; whatever is asked for is the busybox image."""
    files = _blobs(busybox_image.oci_archive(directory / "image.tar"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def log_message(self, *_: object) -> None:
            pass

        def _answer(self, *, body: bool) -> None:
            name = self.path.rpartition("/")[2]
            kind, content = files.get(name) or files["manifest"]
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, name="registry")
    thread.start()
    try:
        yield f"localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _blobs(archive: Path) -> dict[str, tuple[str, bytes]]:
    """Media type and content, by digest."""
    with tarfile.open(archive) as tar:
        members = {one.name: file.read() for one in tar if (file := tar.extractfile(one))}
    files = {
        "sha256:" + name.rpartition("/")[2]: ("application/octet-stream", content)
        for name, content in members.items()
        if name.startswith("blobs/")
    }
    [entry] = json.loads(members["index.json"])["manifests"]
    files["manifest"] = files[entry["digest"]] = (entry["mediaType"], files[entry["digest"]][1])
    return files
