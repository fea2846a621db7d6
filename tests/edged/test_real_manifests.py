"""What kubectl and podman write today: accepted, and run."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import busybox_image
import pytest
from declared_node import edged_on, gone, ready
from pod_texts import read, told
from podman_engine import PodmanEngine, podman_engine

IMAGE = busybox_image.NAME
SCRIPT = "trap 'exit 0' TERM; while :; do sleep 0.1; done"
PROGRAM = shlex.join(["sh", "-c", SCRIPT])
FIXTURES = Path(__file__).with_name("manifests")
MADE_BY = {
    "kubectl-run": "run alarm --image=localhost/alarm:1 --env=LEVEL=80 --labels=app=alarm,site=north --port=8080 "
    "--command -- alarm --verbose",
    "kubectl-run-once": "run once --image=busybox:1.36 --image-pull-policy=Never --restart=Never --privileged "
    "-- echo done",
    "kubectl-create-deployment": "create deployment alarm --image=localhost/alarm:1 --port=80",
    "kubectl-create-configmap": "create configmap settings --from-literal=level=80 --from-file=logo",
    "kubectl-create-secret": "create secret generic door --from-literal=code=1234",
    "kubectl-create-secret-tls": "create secret tls door --cert=tls.crt --key=tls.key",
    "kubectl-create-secret-registry": "create secret docker-registry door --docker-server=registry.example.org "
    "--docker-username=someone --docker-password=word",
}
"""The file in `manifests`, and what kubectl was told."""
GROUPS = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {
        "kind": "APIResourceList",
        "groupVersion": "v1",
        "resources": [
            {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": ["create"]}
        ],
    },
}


@contextmanager
def kinds() -> Iterator[str]:
    """The address of a server that knows one kind: `kubectl run` asks which ones there are."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = GROUPS.get(self.path.partition("?")[0])
            content = json.dumps(found or {}).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, name="kinds", daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def kubectl(words: str, place: Path) -> str:
    """What it writes; skips where it is not."""
    if not shutil.which("kubectl"):
        pytest.skip("kubectl is not installed: apt-get install kubernetes-client")
    before, dashes, after = words.partition(" -- ")
    with kinds() as server:
        command = ["kubectl", f"--server={server}", *shlex.split(before), "--dry-run=client", "--output=yaml"]
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(place), "KUBECONFIG": "/dev/null"}
        done = subprocess.run(
            [*command, *shlex.split(dashes + after)],
            cwd=place,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", MADE_BY)
def test_kubectl_still_writes_what_is_accepted(name: str, tmp_path: Path) -> None:
    kept = (FIXTURES / f"{name}.yaml").read_text()
    for folder in ("kept", "new"):
        (tmp_path / folder).mkdir()
    before = read(tmp_path / "kept", kept)
    (tmp_path / "logo").write_bytes(b"\0\1\2\xff")
    for secret in before.secrets.values():
        for file, content in secret.files.items():
            (tmp_path / file).write_bytes(content)
    now = read(tmp_path / "new", kubectl(MADE_BY[name], tmp_path))
    assert told(now) == told(before) == []
    assert (now.pods, now.config_maps, now.secrets) == (before.pods, before.config_maps, before.secrets)


def test_two_replicas_are_refused(tmp_path: Path) -> None:
    written = kubectl("create deployment alarm --image=localhost/alarm:1 --replicas=2", tmp_path)
    assert ["spec.replicas" in line for line in told(read(tmp_path, written))] == [True]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodmanEngine]:
    with podman_engine(tmp_path_factory.mktemp("podman")) as engine:
        engine.podman("load", "--quiet", "--input", str(busybox_image.docker_archive(engine.directory / "image.tar")))
        yield engine


async def test_what_kubectl_writes_runs(engine: PodmanEngine, tmp_path: Path) -> None:
    texts = [
        kubectl(f"run web --image={IMAGE} --env=LEVEL=80 --labels=app=web --port=8080 -- {PROGRAM}", tmp_path),
        kubectl(f"create deployment alarm --image={IMAGE} -- {PROGRAM}", tmp_path),
        kubectl("create configmap levels --from-literal=high=80", tmp_path),
    ]
    async with edged_on(engine, tmp_path / "e", read(tmp_path, *texts)) as edged:
        for pod in ("web", "alarm"):
            await ready(edged, f"default/{pod}")
        await gone(edged, engine, tmp_path / "e")


async def test_what_podman_generates_of_what_it_runs_runs_again(engine: PodmanEngine, tmp_path: Path) -> None:
    alone = "--name=alone --env=LEVEL=80 --memory=64m --cpus=0.5 --volume=/usr/share:/data:ro"
    inside = "--pod=plant --name=one --read-only --read-only-tmpfs=false --user=1000:1000 --cap-drop=ALL"
    engine.podman("pod", "create", "--name=plant", "--label=site=north")
    for options in (alone, inside):
        engine.podman("run", "--detach", *options.split(), IMAGE, "sh", "-c", SCRIPT)
    texts = [engine.podman("generate", "kube", name) for name in ("alone", "plant")]
    engine.podman("rm", "--force", "--time=0", "alone")
    engine.podman("pod", "rm", "--force", "--time=0", "plant")
    declared = read(tmp_path, *texts)
    assert told(declared) == []
    async with edged_on(engine, tmp_path / "e", declared) as edged:
        for pod in declared.pods:
            await ready(edged, pod)
        await gone(edged, engine, tmp_path / "e")
