"""What is in deploy/: the linters pass, all manifests say the same, and what they start runs as they start it."""

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import httpx
import kubernetes_validate
import pytest
import yaml
from kustomized import Object, assembled
from readonly_root import UID, contained, running
from serving import ROOT

from router.config.load import load

DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
UNIT = DEPLOY / "systemd/image-router.service"
KUSTOMIZATIONS = {"base": DEPLOY / "kubernetes/base", "scale-out": DEPLOY / "kubernetes/overlays/scale-out"}
OBJECTS = {name: assembled(directory) for name, directory in KUSTOMIZATIONS.items()}
CUSTOM = {"ServiceMonitor"}
SPARE = 20
BIN = Path(sys.executable).parent
ENVIRON = {
    name: f"value-of-{name}" for name in ("ROUTER_KEY", "OPENAI_API_KEY", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY")
} | {"REDIS_URL": "redis://redis:6379/0"}


def the(kind: str, kustomization: str = "base") -> Object:
    """The one object of a kind."""
    (found,) = (each for each in OBJECTS[kustomization] if each["kind"] == kind)
    return found


def pod(kustomization: str = "base") -> dict[str, Any]:
    """What the Deployment says of its pods."""
    spec: dict[str, Any] = the("Deployment", kustomization)["spec"]["template"]["spec"]
    return spec


def instruction(name: str) -> list[str]:
    """The words of an exec form in the Dockerfile's last stage."""
    found = re.findall(rf"^(?:HEALTHCHECK.*\\\n +)?{name} (\[.*\])$", DOCKERFILE, re.MULTILINE)
    words: list[str] = json.loads(found[-1])
    return words


def unit(name: str) -> list[str]:
    """The values of a setting in the systemd unit."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


HEALTH = re.findall(r"HEALTHCHECK [^\[]*CMD (\[.*\])", DOCKERFILE)
SERVE = [*instruction("ENTRYPOINT"), *instruction("CMD")]
COMMANDS = {
    "Dockerfile": SERVE,
    "health check": json.loads(HEALTH[0]),
    "Deployment": [*instruction("ENTRYPOINT"), *pod()["containers"][0]["args"]],
    "systemd": ["image-router", *shlex.split(unit("ExecStart")[0])[1:]],
}


def test_hadolint_finds_nothing() -> None:
    """The Dockerfile has no finding, not even of style."""
    told = subprocess.run([BIN / "hadolint", DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (0, "")


@pytest.mark.parametrize("name", OBJECTS)
def test_every_object_is_one_of_kubernetes(name: str) -> None:
    """Each assembled object is valid by the strict schema of the newest Kubernetes and of one two years old."""
    for each in OBJECTS[name]:
        if each["kind"] not in CUSTOM:
            for version in ("1.37", "1.31"):
                kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_kustomize_assembles_the_same(name: str) -> None:
    """Nothing is missing; and Kustomize, where it is installed, makes the very objects that these tests look at."""
    named = {(each["kind"], each["metadata"]["name"]): each for each in OBJECTS[name]}
    kinds = {"Deployment", "Service", "ServiceAccount", "PodDisruptionBudget", "NetworkPolicy", "ConfigMap"}
    assert {kind for kind, _ in named} == kinds | CUSTOM | (
        {"HorizontalPodAutoscaler"} if name == "scale-out" else set()
    )
    if shutil.which("kubectl") is not None:
        directory = KUSTOMIZATIONS[name]
        told = subprocess.run(["kubectl", "kustomize", directory], capture_output=True, text=True, check=True)
        assert {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(told.stdout)} == named


def test_the_autoscaler_alone_decides_how_many() -> None:
    """The base has one router, the overlay names no number beside that of the autoscaler."""
    assert the("Deployment")["spec"]["replicas"] == 1
    assert "replicas" not in the("Deployment", "scale-out")["spec"]


def test_the_unit_is_sound(tmp_path: Path) -> None:
    """It drains, reloads and is shut in; and systemd, where it is installed, finds no mistake and little exposure."""
    assert unit("Type") == ["exec"]
    assert unit("KillSignal") == ["SIGTERM"]
    assert unit("ExecReload") == ["/bin/kill -HUP $MAINPID"]
    assert unit("ProtectSystem") == ["strict"]
    assert unit("NoNewPrivileges") == unit("DynamicUser") == ["yes"]
    if shutil.which("systemd-analyze") is not None:
        placed = tmp_path / UNIT.name
        placed.write_text(UNIT.read_text().replace("/opt/image-router/bin", str(BIN)))
        told = subprocess.run(["systemd-analyze", "verify", placed], capture_output=True, text=True, check=False)
        assert (told.returncode, told.stderr) == (0, "")
        judged = ["systemd-analyze", "security", "--offline=yes", "--threshold=20", placed]
        assert subprocess.run(judged, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_every_command_and_flag_exists(words: list[str]) -> None:
    """What a manifest starts is a command of ours, and each flag is in its help."""
    told = subprocess.run([BIN / words[0], words[1], "--help"], capture_output=True, text=True, check=True)
    assert {word for word in words[2:] if word.startswith("--") and f"{word} " not in told.stdout} == set()


@pytest.mark.parametrize("name", OBJECTS)
def test_the_config_of_each_loads(name: str) -> None:
    """The ConfigMap's configuration has neither mistakes nor warnings once the secret's variables are set."""
    loaded = load(KUSTOMIZATIONS[name] / "router.yaml", ENVIRON)
    assert loaded.warnings == ()
    assert (the("ConfigMap", name)["data"]["router.yaml"]) == (KUSTOMIZATIONS[name] / "router.yaml").read_text()


@pytest.mark.parametrize("name", OBJECTS)
def test_there_is_time_to_drain(name: str) -> None:
    """Every manifest waits for the drain and a little longer, and the pod's wait before it fits in too."""
    drain = load(KUSTOMIZATIONS[name] / "router.yaml", ENVIRON).settings.server.drain
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["image-router"]
    patience = {pod(name)["terminationGracePeriodSeconds"], int(unit("TimeoutStopSec")[0])}
    assert patience | {int(compose["stop_grace_period"].removesuffix("s"))} == {drain + SPARE}
    assert pod(name)["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"] < SPARE
    assert "STOPSIGNAL SIGTERM" in DOCKERFILE


def test_all_name_the_same_places() -> None:
    """User, port and paths are the same in all manifests; what is written to is mounted, the config a directory."""
    container = pod()["containers"][0]
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    written = json.loads(re.findall(r"^VOLUME (.*)$", DOCKERFILE, re.MULTILINE)[0])
    assert set(mounts) == {*written, "/etc/image-router"}
    assert not any("subPath" in mount for mount in mounts.values())
    assert f"USER {UID}:{UID}" in DOCKERFILE
    assert {pod()["securityContext"][each] for each in ("runAsUser", "runAsGroup", "fsGroup")} == {UID}
    assert f"EXPOSE {container['ports'][0]['containerPort']}" in DOCKERFILE
    assert COMMANDS["Deployment"] == SERVE
    state = {each["name"]: each["value"] for each in container["env"]}["IMAGE_ROUTER_STATE_DIR"]
    assert state in written
    assert f"IMAGE_ROUTER_STATE_DIR={state}\n" in DOCKERFILE
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["image-router"]
    assert compose["read_only"] is container["securityContext"]["readOnlyRootFilesystem"] is True
    assert {volume.split(":")[-2 if volume.endswith(":ro") else -1] for volume in compose["volumes"]} < set(mounts)


def test_the_image_is_built_from_pins() -> None:
    """Both stages name one digest, packages are installed with hashes, and every file copied is in the context."""
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.13-slim@sha256:[0-9a-f]{64}", bases[0])
    assert "--require-hashes --requirement requirements.lock" in DOCKERFILE
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = {word for line in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()}
    assert copied == set(let_in)
    assert all(any(fnmatchcase(path, name) for path in (each.name for each in ROOT.iterdir())) for name in copied)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The container's command with its environment and mounts, on a free port, and a model that needs no backend.

    The configuration lies as Kubernetes lays a ConfigMap: a link to a link into the directory of the moment.
    """
    config = yaml.safe_load((KUSTOMIZATIONS["base"] / "router.yaml").read_text())
    config["providers"]["sketch"] = {"kind": "sketch"}
    config["models"]["sketch"] = {"chain": ["sketch/sketch"]}
    mounts = {path: tmp_path / path.strip("/").replace("/", "-") for path in ("/etc/image-router", "/tmp")}  # noqa: S108 - inside
    mounts["/var/lib/image-router"] = tmp_path / "state"
    for directory in mounts.values():
        directory.mkdir(mode=0o777)
        directory.chmod(0o777)
    moment = mounts["/etc/image-router"] / "..2026"
    moment.mkdir()
    (moment / "router.yaml").write_text(yaml.safe_dump(config))
    (mounts["/etc/image-router"] / "..data").symlink_to("..2026")
    (mounts["/etc/image-router"] / "router.yaml").symlink_to("..data/router.yaml")
    mounts["/etc/image-router"].chmod(0o555)
    environ = {each["name"]: each["value"] for each in pod()["containers"][0]["env"]}
    environ |= {name: ENVIRON[name] for name in ("ROUTER_KEY", "OPENAI_API_KEY")}
    words = ["0" if word == "8080" else word for word in SERVE]
    with running(words, tmp_path, mounts, environ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "listens on " in line, process.communicate(timeout=30)
        yield f"http://127.0.0.1:{line.split()[3].rpartition(':')[2]}", process


def test_the_container_runs_as_it_is_started(started: tuple[str, subprocess.Popen[str]]) -> None:
    """As user 10001 on a read-only root the probes pass, a picture is drawn and kept, and SIGTERM ends it well."""
    url, process = started
    if contained():
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert f"Uid:\t{UID}\t{UID}\t{UID}\t{UID}" in status
        assert "CapEff:\t0000000000000000" in status
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        path = pod()["containers"][0][probe]["httpGet"]["path"]
        assert httpx.get(f"{url}{path}").status_code == 200
    healthy = [BIN / COMMANDS["health check"][0], *COMMANDS["health check"][1:-1], url]
    assert subprocess.run(healthy, capture_output=True, check=False).returncode == 0
    assert httpx.get(f"{url}{the('ServiceMonitor')['spec']['endpoints'][0]['path']}").status_code == 200
    body = {"model": "sketch", "prompt": "a red kite", "response_format": "url"}
    answer = httpx.post(
        f"{url}/v1/images/generations", json=body, headers={"authorization": f"Bearer {ENVIRON['ROUTER_KEY']}"}
    )
    assert answer.status_code == 200, answer.text
    assert httpx.get(answer.json()["data"][0]["url"]).headers["content-type"] == "image/png"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert subprocess.run(healthy, capture_output=True, check=False).returncode == 1


BROKEN = {"nobody listens": "http://127.0.0.1:9", "no address": "router", "no port": "http://127.0.0.1:x"}


@pytest.mark.parametrize("url", BROKEN.values(), ids=BROKEN)
def test_health_fails_in_a_sentence(url: str) -> None:
    """A router that cannot be reached is not healthy, and the command says which and why without a traceback."""
    told = subprocess.run([BIN / "image-router", "health", url], capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert told.stderr.startswith(f"Error: {url} does not answer: ")
    assert "Traceback" not in told.stderr
