"""The rules of security themselves: what each refuses, why, where, and a sample of either kind.

Files that may do what a rule forbids are named with it, and nowhere else: a comment in a file excuses nothing.
"""

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Final

CONSTANT: Final = re.compile(r"_?[A-Z][A-Z0-9_]*")
CLIENTS: Final = ("aiohttp.ClientSession", "httpx2.AsyncClient", "httpx2.Client", "urllib.request.urlopen")
SOCKETS: Final = ("asyncio.open_connection", "socket.create_connection", "websockets.connect")
MACS: Final = re.compile(r"(^|_)(mac|hmac|signature|capability|admin_hash|key_hash)$|^fingerprint$")
SPOKEN: Final = re.compile(r"^(text|content|words|said|transcript|message_text|email|phone_number|caller_number)$")
LOGGED: Final = ("debug", "info", "warning", "error", "exception", "critical")
RANDOM: Final = (
    "random.random",
    "random.choice",
    "random.choices",
    "random.randint",
    "random.getrandbits",
    "uuid.uuid1",
)
LOADS: Final = (
    "pickle.load",
    "pickle.loads",
    "marshal.loads",
    "shelve.open",
    "yaml.load",
    "yaml.unsafe_load",
    "eval",
    "exec",
)
SHELLS: Final = ("os.system", "os.popen", "asyncio.create_subprocess_shell", "subprocess.getoutput")
UNVERIFIED: Final = ("ssl.CERT_NONE", "ssl._create_unverified_context")
WEAK: Final = ("hashlib.md5", "hashlib.sha1")
UNSAFE_FILES: Final = ("tempfile.mktemp", "tarfile.extractall", "zipfile.extractall")
MARKUP: Final = re.compile(r"\.(inner|outer)HTML\b|insertAdjacentHTML|document\.write|\beval\(|new Function\(|srcdoc\b")


@dataclass(frozen=True)
class Rule:
    """What must not be written, where, and why."""

    name: str
    why: str
    refuses: Callable[[ast.AST], bool]
    bad: str
    good: str
    within: tuple[str, ...] = ("*",)
    but: tuple[str, ...] = ()
    """Files, as `fnmatch` reads them, in which the rule does not hold."""
    at_work: bool = False
    """Whether only what functions do is looked at: what a module makes when it is loaded knows no input."""

    def holds_in(self, place: str) -> bool:
        """Whether the rule is asked of a file."""
        return any(fnmatch(place, each) for each in self.within) and not any(fnmatch(place, each) for each in self.but)


def name_of(node: ast.AST) -> str:
    """`a.b.c` as it is written; what is called or indexed in between is left out."""
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""


def called(node: ast.AST) -> str:
    """What a call calls."""
    return name_of(node.func) if isinstance(node, ast.Call) else ""


def _ends(node: ast.AST, *names: str) -> bool:
    return called(node).rpartition(".")[2] in names


def _given(node: ast.AST, name: str) -> ast.expr | None:
    return next((each.value for each in getattr(node, "keywords", ()) if each.arg == name), None)


def _is(node: ast.AST | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def _is_of_constants(node: ast.AST) -> bool:
    """Whether a text is made of what stands in the source alone."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.Name | ast.Attribute):
        return CONSTANT.fullmatch(name_of(node).rpartition(".")[2]) is not None
    if isinstance(node, ast.FormattedValue) and node.format_spec is not None:
        return ast.unparse(node.format_spec) in ("f'd'", "f'0d'")  # a number, or nothing
    if isinstance(node, ast.JoinedStr):
        return all(_is_of_constants(each) for each in node.values)
    if isinstance(node, ast.FormattedValue):
        return _is_of_constants(node.value)
    if isinstance(node, ast.BinOp):
        return _is_of_constants(node.left) and _is_of_constants(node.right)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("format", "replace", "join")
    ):
        parts = [node.func.value, *node.args, *(each.value for each in node.keywords)]
        return all(_is_of_constants(each) for each in parts)
    return False


def _is_built(node: ast.AST) -> bool:
    """Whether a text is put together where it is used."""
    formatted = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"
    return (isinstance(node, ast.JoinedStr | ast.BinOp) or formatted) and not _is_of_constants(node)


def statement_of_input(node: ast.AST) -> bool:
    """SQL that is put together of anything but constants in capitals, where it is run or made a statement."""
    return _ends(node, "text", "execute", "exec", "scalar", "scalars", "executemany") and any(
        map(_is_built, node.args[:1])
    )


def own_client(node: ast.AST) -> bool:
    """A way out of one's own."""
    return (
        called(node) in (*CLIENTS, *SOCKETS)
        or re.fullmatch(r"requests\.(get|post|put|patch|delete|head|request|Session)", called(node)) is not None
    )


def told_apart_by_time(node: ast.AST) -> bool:
    """A proof compared with `==`; not a column of a table, which the database compares."""
    if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
        return False
    sides = (node.left, node.comparators[0])
    names = [name_of(each.func if isinstance(each, ast.Call) else each) for each in sides]
    columns = any(re.match(r"[A-Z]\w*[a-z]\w*\.", name) for name in names) or any(
        called(each) == "col" for each in sides
    )
    constant = any(isinstance(each, ast.Constant) for each in sides)
    return not columns and not constant and any(MACS.search(name.rpartition(".")[2]) for name in names)


def logged_words(node: ast.AST) -> bool:
    """What people said or who they are in a field of the log that is not marked as personal, or in the message."""
    if not (isinstance(node, ast.Call) and re.fullmatch(r"log(ger)?\.\w+", called(node)) and _ends(node, *LOGGED)):
        return False
    return any(each.arg and SPOKEN.match(each.arg) for each in node.keywords) or any(map(_is_built, node.args[:1]))


def secret_in_a_message(node: ast.AST) -> bool:
    """A secret's value in an error or a formatted text."""
    inside = node.exc if isinstance(node, ast.Raise) else None
    return inside is not None and any(_ends(each, "get_secret_value") for each in ast.walk(inside))


def unverified(node: ast.AST) -> bool:
    """TLS of which the other end proves nothing."""
    loose = [_given(node, name) for name in ("verify", "ssl", "check_hostname", "verify_ssl")] if called(node) else []
    assigned = isinstance(node, ast.Assign) and any(name_of(each).endswith("check_hostname") for each in node.targets)
    return (
        name_of(node) in UNVERIFIED or any(_is(each, False) for each in loose) or (assigned and _is(node.value, False))
    )


def unsigned_token(node: ast.AST) -> bool:
    """A token that is read without asking who signed it, or by whatever algorithm it names."""
    if called(node) != "jwt.decode":
        return False
    return _given(node, "algorithms") is None


def weak_hash(node: ast.AST) -> bool:
    """A broken hash, unless it is said that nothing depends on it."""
    return called(node) in WEAK and not _is(_given(node, "usedforsecurity"), False)


def shell(node: ast.AST) -> bool:
    """A command that a shell reads."""
    return called(node) in SHELLS or (bool(called(node)) and _is(_given(node, "shell"), True))


def open_to_all(node: ast.AST) -> bool:
    """A file that everybody may write, or whose name somebody else may take first."""
    wide = _ends(node, "chmod", "mkdir", "makedirs", "open") and any(
        isinstance(each, ast.Constant) and type(each.value) is int and each.value & 0o002 and each.value <= 0o7777
        for each in [*node.args[1:], *filter(None, [_given(node, "mode")])]
    )
    return wide or called(node) in UNSAFE_FILES or _ends(node, "extractall", "mktemp")


RULES: Final = (
    Rule(
        "statement-of-input",
        "input belongs into parameters",
        statement_of_input,
        'db.execute(text(f"select {name}"))',
        'db.execute(text(f"select {_NAMES}"), {"n": name})',
        but=("parley/stack/*", "control_plane/events/wake.py"),
        at_work=True,
    ),
    Rule(
        "own-client",
        "everything that goes out goes through guard",
        own_client,
        "aiohttp.ClientSession()",
        "outbound.send(url)",
        but=(
            "guard/outbound.py",
            "agents/models.py",
            "agents/bots/recognition.py",
            "parley/*",
            "pocket/sip/transport.py",
            "sip/probe.py",
            "control_plane/analysis/*",
            "knowledge/embedders.py",
        ),
    ),
    Rule(
        "compared-in-time",
        "hmac.compare_digest",
        told_apart_by_time,
        "given == self.mac",
        "compare_digest(given, self.mac)",
    ),
    Rule(
        "logged-words",
        "what people say and who they are goes under `pii.`",
        logged_words,
        'log.info("heard", text=line)',
        'log.info("heard", **{"pii.text": line})',
    ),
    Rule(
        "secret-in-an-error",
        "errors are answered and logged",
        secret_in_a_message,
        'raise ValueError(f"bad {key.get_secret_value()}")',
        'raise ValueError("bad key")',
    ),
    Rule(
        "guessable",
        "secrets are made by `secrets`",
        lambda node: called(node) in RANDOM,
        "random.choice(LETTERS)",
        "secrets.choice(LETTERS)",
        within=("control_plane/*", "guard/*", "knowledge/*"),
        but=("control_plane/webhooks/deliverer.py",),
    ),
    Rule(
        "loads-code",
        "data is read by parsers that make data of it",
        lambda node: called(node) in LOADS,
        "yaml.load(text)",
        "yaml.safe_load(text)",
    ),
    Rule(
        "shell",
        "commands are lists",
        shell,
        "subprocess.run(line, shell=True)",
        "subprocess.run([program, *arguments])",
    ),
    Rule(
        "unverified-tls",
        "whoever stands between reads everything",
        unverified,
        "client.get(url, verify=False)",
        "client.get(url)",
    ),
    Rule(
        "unsigned-token",
        "a token says who signed it and how only to who asks",
        unsigned_token,
        "jwt.decode(text, key)",
        'jwt.decode(text, key, algorithms=["HS256"])',
        but=("control_plane/gate/signed.py",),
    ),
    Rule(
        "weak-hash",
        "MD5 and SHA-1 are broken",
        weak_hash,
        "hashlib.sha1(data)",
        "hashlib.sha256(data)",
        but=("pocket/sip/digest.py",),
    ),
    Rule("open-files", "files are ours alone", open_to_all, "os.chmod(path, 0o777)", "os.chmod(path, 0o600)"),
    Rule(
        "own-cipher",
        "what is sealed is sealed by the box, so that keys can follow one another",
        lambda node: _ends(node, "AESGCM", "Fernet", "ChaCha20Poly1305", "AESCCM"),
        "AESGCM(key)",
        "box.seal(secret, row=row)",
        but=("control_plane/secrets/box.py", "control_plane/recordings/sealing.py"),
    ),
    Rule(
        "own-derivation",
        "keys of the platform's secret key are derived in one place",
        lambda node: called(node) in ("hmac.digest", "hmac.new"),
        "hmac.digest(secret_key, said, hashlib.sha256)",
        "macs.sign(said)",
        but=(
            "control_plane/secrets/macs.py",
            "control_plane/recordings/sealing.py",
            "control_plane/webhooks/signing.py",
            "control_plane/tokens/signer.py",
            "knowledge/capability.py",
            "pocket/sip/digest.py",
        ),
    ),
    Rule(
        "signs-grants",
        "grants are signed where tests look",
        lambda node: called(node) == "Pass",
        "Pass(identity=body.identity)",
        "self.passes.admit(identity)",
        but=(
            "control_plane/bots/entering.py",
            "control_plane/telephony/routes.py",
            "control_plane/supervision/service.py",
            "control_plane/meetings/passes.py",
            "control_plane/tokens/service.py",
        ),
    ),
    Rule(
        "dials",
        "whoever dials asks the gate first",
        lambda node: called(node).endswith(("dialer.call", "dialer.transfer")),
        "await self.dialer.call(call)",
        "await self.placer.place(call)",
        but=("control_plane/telephony/placing.py", "control_plane/telephony/switchboard.py"),
    ),
    Rule(
        "behind-no-wall",
        "routes see their project's rows alone",
        lambda node: called(node).endswith("database.platform"),
        "async with database.platform() as db: pass",
        "async with database.tenant(project_id) as db: pass",
        within=("*routes.py",),
        but=(
            "control_plane/dialects/meeting_baas/notice_routes.py",
            "control_plane/livekit_hooks/routes.py",
            "control_plane/monitor/routes.py",
        ),
    ),
    Rule(
        "broken-join",
        "LiveKit's library ends the process whose join is cancelled half-way",
        lambda node: called(node).endswith("room.connect"),
        "await room.connect(url, token)",
        "await joining.connect(room, url, token, options)",
        but=("pocket/rooms/joining.py",),
    ),
    Rule(
        "own-clock",
        "time is the clock's, which tests turn",
        lambda node: called(node) in ("datetime.now", "datetime.utcnow", "datetime.today"),
        "datetime.now(UTC)",
        "clock.now()",
        within=("control_plane/*",),
        but=("control_plane/clock.py", "control_plane/calendars/microsoft.py", "control_plane/calendars/calling.py"),
    ),
)
