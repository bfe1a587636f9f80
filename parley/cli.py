"""The command `parley`."""

from __future__ import annotations

import asyncio
import os
import shlex
import time
from collections.abc import Callable
from importlib.metadata import version
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.table import Table
from rich.text import Text

from parley.commands import running
from parley.commands.audit import verify_audit
from parley.commands.call import call as place_call
from parley.commands.keys import create_key, list_keys, revoke_key
from parley.commands.passwords import make_link
from parley.commands.running import KeyOption, ReadyFileOption, UrlOption, become, console, errors, find_platform
from parley.commands.tail import tail as follow_monitor
from parley.stack.directories import default_data_dir
from parley.stack.doctor import Verdict, examine
from parley.stack.errors import StackError
from parley.stack.foreground import Activity, run_in_foreground
from parley.stack.platform import Stack, StackOptions
from parley.stack.ports import is_free
from parley.stack.services import python

PARTS_ONE_CAN_DO_WITHOUT = {"sip", "egress"}
_COLOURS = {Verdict.GOOD: "green", Verdict.NOTE: "yellow", Verdict.BAD: "red"}

app = typer.Typer(
    name="parley",
    help="Voice agents on your own machines. `parley demo` shows it; `parley up` runs it on one machine.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
keys = typer.Typer(
    help="API keys of your account: `create`, `list`, `revoke`.", no_args_is_help=True, rich_markup_mode="markdown"
)
app.add_typer(keys, name="keys")
audit = typer.Typer(
    help="The audit trail of your project: `verify`.", no_args_is_help=True, rich_markup_mode="markdown"
)
app.add_typer(audit, name="audit")

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="Where all data is kept. Default: `$PARLEY_DATA`, else a system folder."
    ),
]
ReadyOption = Annotated[
    Path | None,
    typer.Option("--ready", metavar="FILE", help="Written when everything answers: addresses, keys, pids (JSON)."),
]
PortOption = Annotated[
    int | None,
    typer.Option("--port", metavar="N", min=1, max=65535, help="Port of the API, or the next free one after it."),
]
WithoutOption = Annotated[
    str, typer.Option("--without", metavar="PARTS", help="Do not start these: `sip,egress`, or one of them.")
]
AgentOption = Annotated[
    int | None, typer.Option("--agent", metavar="ID", min=1, help="Which persona. Default: the first active one.")
]


def _show_version(wanted: bool) -> None:
    if wanted:
        console.print(f"parley {version('parley')}")
        raise typer.Exit


@app.callback()
def main(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Voice agents on your own machines. `parley demo` shows it; `parley up` runs it on one machine."""


@app.command()
def up(
    data: DataOption = None,
    ready: ReadyOption = None,
    port: PortOption = None,
    without: WithoutOption = "",
    sip_host: Annotated[
        str, typer.Option("--sip-host", metavar="ADDRESS", help="This machine's address at which phones reach it.")
    ] = "127.0.0.1",
) -> None:
    """Run the whole platform on this machine, until Ctrl-C.

    PostgreSQL, Redis, livekit-server, offline models, control plane, worker and bot host are started as children of
    this command and started again when they die. The same directory starts again with all its data.
    """
    options = _options(data, ready, port, without=_parts(without), sip_host=_own_address(sip_host))
    _run(options, _show_what_to_try)


@app.command()
def demo(
    data: DataOption = None,
    ready: ReadyOption = None,
    port: PortOption = None,
    once: Annotated[bool, typer.Option("--once", help="Leave after the conversation.")] = False,
) -> None:
    """Start the platform and listen to a scripted caller who talks to a persona.

    With --once the status is 0 only if the caller was heard and got the right answers.
    """
    options = _options(data, ready, port)

    async def talk(stack: Stack) -> int | None:
        status = await _scripted_caller(options)
        if once or status != 0:
            return status
        return await _show_what_to_try(stack)

    _run(options, talk)


@app.command()
def serve() -> None:
    """Run one control plane: the API, monitor sockets, the workers' uplink. Settings by environment."""
    become("control_plane", "serve")


@app.command("rotate-secrets")
def rotate_secrets() -> None:
    """Seal everything with the first secret key that a former one sealed. Settings by environment."""
    become("control_plane", "rotate-secrets")


@app.command()
def jobs() -> None:
    """Run one process of background work: events in order, supervision of calls, jobs. Settings by environment."""
    become("control_plane", "jobs")


@app.command()
def worker() -> None:
    """Run one worker, which answers calls. Settings by environment."""
    become("agents")


@app.command()
def migrate() -> None:
    """Bring the database in `PARLEY_DATABASE_URL` (as its owner) to this version."""
    become("control_plane", "migrate")


@app.command()
def doctor(data: DataOption = None) -> None:
    """Tell what is missing or wrong on this machine, each with its mend. Status 1 when something is."""
    table = Table("what", "found", "mend", box=None, pad_edge=False)
    findings = examine(data or default_data_dir())
    for finding in findings:
        style = _COLOURS[finding.verdict]
        table.add_row(Text(finding.what, style=style), Text(finding.found), Text(finding.mend))
    console.print(table)
    if any(finding.verdict is Verdict.BAD for finding in findings):
        raise typer.Exit(1)


@app.command()
def tail(
    channel: Annotated[
        str, typer.Option(metavar="CHANNEL", help="`rooms` (everything), `sessions`, `calls`, or `room:NAME`.")
    ] = "rooms",
    after: Annotated[
        int | None, typer.Option(min=0, metavar="ID", help="Begin behind this event; 0 is the beginning.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, as the socket sends it.")] = False,
    ready: ReadyFileOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Follow what happens: rooms, calls, what is said. A line for each event, until Ctrl-C.

    A lost connection is made again and goes on where it was. Words that are still being spoken are shown on a
    terminal only.

        parley tail --channel room:my-room

        parley tail --json --after 0 | jq .data.content
    """
    access = find_platform(ready, url, key)
    running.run(follow_monitor(access, channel, after=after, as_json=as_json, console=console))


@app.command()
def call(
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="With country code: +17751234567.")],
    agent: AgentOption = None,
    ready: ReadyFileOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Let a persona call a telephone, and follow the call to its end. Ctrl-C hangs up.

    Needs a SIP trunk: `POST /api/v1/sip/trunks`. Status 0 when somebody, or a voicemail, took the call.
    """
    running.run(place_call(find_platform(ready, url, key), console, number=number, agent_id=agent))


@app.command()
def password(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Whose password is forgotten.")],
    ready: ReadyFileOption = None,
    url: UrlOption = None,
    key: running.OperatorKeyOption = None,
) -> None:
    """Make a link with which somebody who forgot their password sets another: good for an hour, and once.

    Give it to its owner by a way that only they read: whoever opens it first has the account.
    """
    running.run(make_link(running.find_operator(ready, url, key), console, email=email))


@app.command()
def talk(
    agent: AgentOption = None, ready: ReadyFileOption = None, url: UrlOption = None, key: KeyOption = None
) -> None:
    """Talk to a persona in text. An empty line or Ctrl-D ends; a line you type interrupts it.

    It answers by voice as in any call, which is not played here; its words are shown as they come. Lines from a pipe
    are asked one after the other:

        echo "How long is the warranty on a repair?" | parley talk
    """
    access = find_platform(ready, url, key)
    os.environ["PARLEY_API_KEY"] = access.api_key.get_secret_value()
    # A process of its own: the media library takes a second to load, which no other command needs.
    become("parley.commands.talk", access.api_url, *([] if agent is None else [str(agent)]))


@keys.command("create")
def keys_create(
    label: Annotated[str, typer.Option(metavar="LABEL", help="What it is for: `shop website`.")],
    scope: Annotated[
        list[str] | None, typer.Option(metavar="SCOPE", help="What it may do; may be repeated. Default: everything.")
    ] = None,
    expires: Annotated[int | None, typer.Option(metavar="DAYS", min=1, max=36500, help="Days it is good for.")] = None,
    project: Annotated[int | None, typer.Option(metavar="ID", min=1, help="Default: the project of your key.")] = None,
    ready: ReadyFileOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """Make an API key with its secret. Both are shown once.

    parley keys create --label "shop website" --expires 90
    """
    access = find_platform(ready, url, key)
    running.run(create_key(access, console, label=label, scopes=scope or [], days=expires, project_id=project))


@keys.command("list")
def keys_list(ready: ReadyFileOption = None, url: UrlOption = None, key: KeyOption = None) -> None:
    """Show the account's keys: when each was last used, until when it is good."""
    running.run(list_keys(find_platform(ready, url, key), console))


@keys.command("revoke")
def keys_revoke(
    key_id: Annotated[int, typer.Argument(metavar="ID", min=1, help="The id that `parley keys list` shows.")],
    ready: ReadyFileOption = None,
    url: UrlOption = None,
    key: KeyOption = None,
) -> None:
    """End a key at once, and whatever was opened with it."""
    running.run(revoke_key(find_platform(ready, url, key), console, key_id))


@audit.command("verify")
def audit_verify(ready: ReadyFileOption = None, url: UrlOption = None, key: KeyOption = None) -> None:
    """Find out whether the audit trail of the key's project is as it was written. Status 1 where it is not."""
    running.run(verify_audit(find_platform(ready, url, key), console))


def _options(
    data: Path | None,
    ready: Path | None,
    port: int | None,
    *,
    without: frozenset[str] = frozenset(),
    sip_host: str = "127.0.0.1",
) -> StackOptions:
    directory = (data or default_data_dir()).expanduser().absolute()
    return StackOptions(
        data_dir=directory,
        port=port,
        without=without,
        sip_host=sip_host,
        ready_file=(ready or directory / "ready.json").expanduser().absolute(),
    )


def _parts(without: str) -> frozenset[str]:
    named = frozenset(part.strip() for part in without.split(",") if part.strip())
    unknown = named - PARTS_ONE_CAN_DO_WITHOUT
    if unknown:
        known = ", ".join(sorted(PARTS_ONE_CAN_DO_WITHOUT))
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: only {known} can be left out", param_hint="--without")
    return named


def _own_address(given: str) -> str:
    try:
        address = IPv4Address(given)
    except ValueError:
        raise typer.BadParameter(f"{given!r} is no IPv4 address", param_hint="--sip-host") from None
    if address.is_unspecified or not is_free(0, transport="both", host=given):
        problem = f"{given} is no address of this machine that a phone could call (`ip addr` shows them)"
        raise typer.BadParameter(problem, param_hint="--sip-host")
    return given


def _run(options: StackOptions, activity: Activity) -> NoReturn:
    stack = Stack(options, announce=_announcer())
    console.print(f"Starting Parley in {options.data_dir}")
    try:
        status = asyncio.run(run_in_foreground(stack, activity))
    except StackError as error:
        errors.print(Text(f"parley: {error}"), soft_wrap=True)
        for line in error.log_lines:
            errors.print(Text(f"  | {line}", style="dim"), soft_wrap=True)
        raise SystemExit(1) from None
    raise SystemExit(status)


def _announcer() -> Callable[[str], None]:
    began = time.monotonic()

    def announce(sentence: str) -> None:
        console.print(Text.assemble((f"{time.monotonic() - began:7.1f} s  ", "dim"), sentence), soft_wrap=True)

    return announce


async def _show_what_to_try(stack: Stack) -> int | None:
    ready = stack.ready
    lines = [
        "",
        "Parley answers.",
        f"  console             {ready['api_url']}/console#key={ready['api_key']}",
        f"  talk to a persona   {ready['api_url']}/talk#key={ready['api_key']}",
        f"  watch it live       {ready['api_url']}/monitor#key={ready['api_key']}",
        f"  API                 {ready['api_url']}/api/v1",
        f"  read and try it     {ready['api_url']}/docs#key={ready['api_key']}",
        f"  API key             {ready['api_key']}",
        f"  LiveKit             {ready['livekit_url']}",
        *_phones(ready, stack.options.ready_file),
        f"  logs                {ready['log_dir']}",
        f"  try                 curl -H 'X-API-Key: {ready['api_key']}' {ready['api_url']}/api/v1/agents",
        "",
        "Ctrl-C stops it.",
    ]
    console.print(Text("\n".join(lines)), soft_wrap=True)
    return None


def _phones(ready: dict[str, Any], ready_file: Path | None) -> list[str]:
    if ready["sip"] is None:
        return []
    elsewhere = ready_file is not None and ready_file != default_data_dir() / "ready.json"
    found_by = f" --ready {shlex.quote(str(ready_file))}" if elsewhere else ""
    return [
        f"  call it by phone    sip:+18001234567@{ready['sip']['address']}",
        f"  have it call        parley call{found_by} +17751234567",
    ]


async def _scripted_caller(options: StackOptions) -> int:
    """Run the scripted caller, its output ours; return its status."""
    command = python("parley.demo", "--once", "--ready", str(options.ready_file))
    process = await asyncio.create_subprocess_exec(*command)
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(3.0):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
