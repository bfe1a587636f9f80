"""Set-up of a fresh machine: `python3 tools/setup.py [--test]`. Idempotent; nothing but the standard library.

System packages, the virtual environment, livekit-server and the web pages. What is built lies in a cache folder
outside the tree, keyed by version; a step that has nothing to do costs milliseconds.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes.util
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
VENV = TREE / ".venv"
UV = "0.13.8"
LEAST_PYTHON, LEAST_GO, LEAST_NODE = (3, 11), (1, 26), (20, 0)
NEWER_PYTHONS = ("python3.14", "python3.13", "python3.12", "python3.11")
# Exported in somebody's shell, these would make uv work on that interpreter and empty its environment.
MISLEADING = ("UV_PYTHON", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "CONDA_PREFIX", "PYTHONHOME", "PYTHONPATH")


class SetupError(Exception):
    """Set-up cannot go on: what, why and what to do, in words for the person at the terminal."""


def cache_dir() -> Path:
    """Return where built things are kept; the same rule as in `parley.stack.directories`."""
    named = os.environ.get("PARLEY_CACHE")
    if named:
        return Path(named).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "parley"


class Setup:
    """The steps, each of which returns a word on what it found or did."""

    def __init__(self, cache: Path, *, for_tests: bool, for_benches: bool) -> None:
        self.cache = cache
        self.for_tests, self.for_benches = for_tests or for_benches, for_benches
        self.log = cache / "setup.log"

    def run(self) -> None:
        """Do all steps, one progress line each."""
        steps: Sequence[tuple[str, Callable[[], str]]] = (
            ("system packages", self.system_packages),
            ("Python packages", self.python_packages),
            ("livekit-server", self.livekit_server),
            ("web pages", self.web_pages),
        )
        for number, (name, step) in enumerate(steps, start=1):
            began = time.monotonic()
            print(f"[{number}/{len(steps)}] {name:<16} ", end="", flush=True)
            try:
                outcome = step()
            except BaseException:
                print("failed", flush=True)
                raise
            print(f"{outcome} ({time.monotonic() - began:.1f} s)", flush=True)

    def system_packages(self) -> str:
        """Install what only the system's package manager has."""
        missing = []
        if not shutil.which("redis-server"):
            missing.append("redis-server")
        if not ctypes.util.find_library("flite"):
            missing += ["flite", "libflite1"]
        if not shutil.which("setpriv"):
            missing.append("util-linux")
        if importlib.util.find_spec("ensurepip") is None:
            missing.append("python3-venv")
        if self.for_tests and not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
            missing.append("chromium")
        for program, package in (("baresip", "baresip-core"), ("sipp", "sip-tester")):
            if self.for_tests and not shutil.which(program):
                missing.append(package)
        if self.for_benches and not shutil.which("wrk"):
            missing.append("wrk")
        if not missing:
            return "all there"
        apt = apt_get()
        self._say(f"installing {' '.join(missing)} ...")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        options = ["-q", "-y", "-o", "DPkg::Lock::Timeout=900"]
        line = f"apt-get install --no-install-recommends {' '.join(missing)}"
        if apt is None:
            raise SetupError(f"these system packages are missing: {' '.join(missing)}. As root, run:\n  {line}")
        self._do([*apt, *options, "update"], environment=environment)
        self._do([*apt, *options, "install", "--no-install-recommends", *missing], environment=environment)
        return "installed"

    def python_packages(self) -> str:
        """Make `.venv` hold exactly what the lock names, and this tree."""
        return self._packages(VENV, TREE / "requirements.lock")

    def sentence_transformers(self) -> str:
        """The same with torch and sentence-transformers, apart: some 5 GB."""
        return self._packages(TREE / ".venv-sentence-transformers", TREE / "requirements-sentence-transformers.lock")

    def voices(self) -> str:
        """The same with LiveKit's plugins for voices and recognition of other houses, apart."""
        return self._packages(TREE / ".venv-voices", TREE / "requirements-voices.lock")

    def _packages(self, venv: Path, lock: Path) -> str:
        key = fingerprint([lock, TREE / "pyproject.toml"], sys.version, sys.executable, str(TREE))
        stamp = venv / ".parley-stamp"
        if is_stamped(stamp, key) and (venv / "bin" / "parley").exists():
            return "all there"
        uv = self._uv()
        environment = self._uv_environment()
        interpreter = str(venv / "bin" / "python")
        if not self._is_venv_of_this_python(venv):
            self._say(f"making {venv.name} ...")
            self._do([uv, "venv", "-q", "--clear", "--python", sys.executable, str(venv)], environment=environment)
        stamp.unlink(missing_ok=True)
        self._say("installing ...")
        self._do([uv, "pip", "sync", "-q", "--python", interpreter, str(lock)], environment=environment)
        self._do(
            [uv, "pip", "install", "-q", "--python", interpreter, "--no-deps", "-e", str(TREE)], environment=environment
        )
        stamp.write_text(key)
        return "installed"

    def livekit_server(self) -> str:
        """Build the media server, once for each version of it."""
        module = (TREE / "tools" / "livekit" / "go.mod").read_text(encoding="utf-8")
        found = re.search(r"github\.com/livekit/livekit-server v([\w.]+)", module)
        if found is None:
            raise SetupError("tools/livekit/go.mod does not name github.com/livekit/livekit-server")
        version = found.group(1)
        program = self.cache / f"livekit-server-{version}" / "livekit-server"
        if os.access(program, os.X_OK):
            return f"{version} is built"
        self._say(f"building {version}, some minutes ...")
        self._build("livekit", {"github.com/livekit/livekit-server/cmd/server": program})
        return f"{version} built"

    def deploy_tools(self) -> str:
        """Build helm and the reader of compose files, once for each version of them."""
        module = (TREE / "tools" / "deploy" / "go.mod").read_text(encoding="utf-8")
        folder = self.cache / "-".join(["deploy", *re.findall(r"(?:helm|compose-go)/v\d v([\d.]+)", module)])
        programs = {
            "helm.sh/helm/v3/cmd/helm": folder / "helm",
            "github.com/compose-spec/compose-go/v2/cmd": folder / "compose-spec",
        }
        if all(os.access(program, os.X_OK) for program in programs.values()):
            return "are built"
        self._say("building helm, some minutes ...")
        self._build("deploy", programs)
        return "built"

    def _build(self, module: str, programs: Mapping[str, Path]) -> None:
        """Build programs of a module in `tools/` with its checksums."""
        go = need("go", ["version"], LEAST_GO, "It builds livekit-server")
        with scratch_folder(self.cache) as scratch:
            environment = {
                **os.environ,
                "CGO_ENABLED": "0",
                "GOWORK": "off",
                "GOCACHE": str(scratch / "build"),
                "GOMODCACHE": str(scratch / "modules"),
                "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -modcacherw".strip(),  # so that it can be removed
            }
            for package, program in programs.items():
                built = scratch / program.name
                command = [go, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(built), package]
                self._do(command, environment=environment, folder=TREE / "tools" / module)
                program.parent.mkdir(parents=True, exist_ok=True)
                os.replace(built, program)

    def web_pages(self) -> str:
        """Build the pages from `web/`."""
        web = TREE / "web"
        if not (web / "package.json").exists():
            return "none"
        sources = [
            path
            for path in web.rglob("*")
            if path.is_file() and not {"node_modules", "dist"} & set(path.relative_to(web).parts)
        ]
        modules, built = web / "node_modules" / ".parley-stamp", web / "node_modules" / ".parley-built"
        pages_key = fingerprint(sources)
        if is_stamped(built, pages_key) and (web / "dist").is_dir():
            return "are built"
        node = need("node", ["--version"], LEAST_NODE, "It builds the web pages")
        npm = shutil.which("npm")
        if npm is None:
            raise SetupError("npm is missing. It builds the web pages: install it (it comes with Node.js)")
        modules_key = fingerprint([web / "package.json", web / "package-lock.json"], version_text([node, "--version"]))
        environment = {**os.environ, "npm_config_cache": str(self.cache / "npm"), "npm_config_update_notifier": "false"}
        if not is_stamped(modules, modules_key):
            self._say("installing modules ...")
            self._do([npm, "ci", "--no-audit", "--no-fund"], environment=environment, folder=web)
            modules.write_text(modules_key)
        self._say("building ...")
        self._do([npm, "run", "build"], environment=environment, folder=web)
        built.write_text(pages_key)
        return "built"

    def lock(self) -> None:
        """Resolve the dependencies anew. The lock names no registry and fits every platform."""
        options = ["--universal", "--generate-hashes", "--no-header", "--no-annotate", "--no-emit-index-url"]
        options += ["--python-version", ".".join(map(str, LEAST_PYTHON)), "--group", "dev", "--upgrade"]
        locks = {
            "requirements.lock": [],
            "requirements-sentence-transformers.lock": ["--extra", "sentence-transformers"],
            "requirements-voices.lock": ["--extra", "voices"],
        }
        for lock, extra in locks.items():
            command = [self._uv(), "pip", "compile", "-q", "pyproject.toml", *options, *extra, "-o", lock]
            self._say("resolving ...")
            self._do(command, environment=self._uv_environment())
            print(f"written to {lock}")

    def _uv_environment(self) -> Mapping[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in MISLEADING}
        return {**kept, "UV_CACHE_DIR": str(self.cache / "uv")}

    def _uv(self) -> str:
        """Return uv, in a virtual environment of its own in the cache."""
        tool = self.cache / f"uv-{UV}"
        program = tool / "bin" / "uv"
        if not is_stamped(tool / ".parley-stamp", sys.version) or not os.access(program, os.X_OK):
            self._say("fetching uv ...")
            environment = self._uv_environment()
            self._do([sys.executable, "-m", "venv", "--clear", str(tool)], environment=environment)
            pip = [str(tool / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            self._do([*pip, f"uv=={UV}"], environment=environment)
            (tool / ".parley-stamp").write_text(sys.version)
        return str(program)

    def _is_venv_of_this_python(self, venv: Path) -> bool:
        version = version_text([str(venv / "bin" / "python"), "-c", "import sys; print(sys.version, sys.base_prefix)"])
        return version == f"{sys.version} {sys.base_prefix}"

    def _say(self, text: str) -> None:
        print(f"{text} ", end="", flush=True)

    def _do(self, command: Sequence[str], *, environment: Mapping[str, str], folder: Path = TREE) -> None:
        """Run a command, its output in the log; raise with the last lines when it fails."""
        with self.log.open("ab") as log:
            log.write(f"\n$ {' '.join(command)}\n".encode())
            log.flush()
            began = log.tell()
            try:
                status = subprocess.run(
                    list(command), cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                ).returncode
            except OSError as error:
                raise SetupError(f"{command[0]} could not be run: {error.strerror}") from error
        if status != 0:
            lines = self.log.read_bytes()[began:].decode(errors="replace").strip().splitlines()[-20:]
            shown = "\n".join(f"  | {line}" for line in lines)
            raise SetupError(f"`{' '.join(command)}` ended with status {status} (all of it: {self.log}):\n{shown}")


def apt_get() -> Sequence[str] | None:
    """Return how to call apt-get with the rights it needs; None when that is not possible without a question."""
    program = shutil.which("apt-get")
    if program is None:
        return None
    if os.geteuid() == 0:
        return [program]
    sudo = shutil.which("sudo")
    if sudo and subprocess.run([sudo, "-n", "true"], capture_output=True).returncode == 0:
        return [sudo, "-n", "--preserve-env=DEBIAN_FRONTEND", program]
    return None


def need(name: str, arguments: Sequence[str], least: tuple[int, int], purpose: str) -> str:
    """Return where a program is; raise when it is missing or too old."""
    wanted = ".".join(map(str, least))
    program = shutil.which(name)
    if program is None:
        raise SetupError(f"{name} is missing. {purpose}: install version {wanted} or newer")
    found = re.search(r"(\d+)\.(\d+)", version_text([program, *arguments]))
    if found is None or (int(found[1]), int(found[2])) < least:
        said = found[0] if found else "unknown"
        raise SetupError(f"{name} is too old ({said} in {program}). {purpose}: install version {wanted} or newer")
    return program


def version_text(command: Sequence[str]) -> str:
    """Return what a program says of itself; empty when it cannot be run."""
    try:
        return subprocess.run(list(command), capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def fingerprint(paths: Sequence[Path], *words: str) -> str:
    """Return a hash over the content of files and over some words."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(f"{path.relative_to(TREE)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    for word in words:
        digest.update(f"{word}\0".encode())
    return digest.hexdigest()


def is_stamped(stamp: Path, key: str) -> bool:
    """Tell whether a step was completed with this key."""
    try:
        return stamp.read_text(encoding="utf-8") == key
    except OSError:
        return False


@contextlib.contextmanager
def scratch_folder(cache: Path) -> Iterator[Path]:
    """Give a folder that is removed afterwards; those of interrupted runs are removed first."""
    for earlier in cache.glob("scratch-*"):
        shutil.rmtree(earlier, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="scratch-", dir=cache))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def only_one(cache: Path) -> Iterator[None]:
    """Wait until no other set-up works in the cache."""
    with (cache / "setup.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("waiting for another set-up to end ...", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def use_a_new_enough_python() -> None:
    """Go on with a newer interpreter of this machine when this one is too old."""
    if sys.version_info >= LEAST_PYTHON:
        return
    newer = next(filter(None, map(shutil.which, NEWER_PYTHONS)), None)
    if newer is None:
        wanted = ".".join(map(str, LEAST_PYTHON))
        raise SetupError(f"Python {sys.version.split()[0]} is too old: install version {wanted} or newer")
    os.execv(newer, [newer, *sys.argv])


def main() -> int:
    """Set up; return the exit status."""
    parser = argparse.ArgumentParser(description="Set up what Parley needs on this machine.")
    parser.add_argument("--test", action="store_true", help="also what only the tests need")
    parser.add_argument("--bench", action="store_true", help="also what only the tests and the benches need")
    parser.add_argument("--sentence-transformers", action="store_true", help="only the optional embedder's packages")
    parser.add_argument("--voices", action="store_true", help="an installation with the providers of voices, apart")
    parser.add_argument("--deploy", action="store_true", help="only helm and the reader of compose files")
    parser.add_argument("--lock", action="store_true", help="only resolve the dependencies anew")
    arguments = parser.parse_args()
    try:
        use_a_new_enough_python()
        cache = cache_dir()
        cache.mkdir(parents=True, exist_ok=True)
        with only_one(cache):
            work = Setup(cache, for_tests=arguments.test, for_benches=arguments.bench)
            work.log.unlink(missing_ok=True)
            if arguments.lock:
                work.lock()
            elif arguments.sentence_transformers:
                print(f" {work.sentence_transformers()}")
            elif arguments.deploy:
                print(f" {work.deploy_tools()}")
            elif arguments.voices:
                print(f" {work.voices()}")
            else:
                work.run()
    except SetupError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"set-up: {error.filename}: {error.strerror}. Check the space and the rights there", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
