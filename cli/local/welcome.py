"""The text that the runner prints when everything is up: the nodes' URLs, and commands to try."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from cli.local.demo import EXAMPLES, examples
from cli.local.process import LocalNode
from cli.nodes import NODES_FILE


def welcome(cpo: LocalNode, emsp: LocalNode, *, bare: bool, can_charge: bool) -> Iterator[str]:
    """The lines of the text."""
    yield ""
    for node in (cpo, emsp):
        yield f"{node.name:<4} {node.plan.party}   versions  {node.plan.versions_url}"
        yield f"              operator  {node.plan.operator_url}"
        yield f"              log       {_shown(node.log)}"
    yield ""
    yield f"Operator keys and all of this for scripts: {NODES_FILE}"
    yield ""
    yield "Try, in another terminal:"
    remote = _remote(cpo, emsp) if can_charge and not bare else ()
    for comment, line in (*remote, *(_bare(cpo) if bare else _demo(cpo, emsp))):
        yield f"  # {comment}"
        yield f"  {line}"
    yield ""
    yield "Ctrl-C stops everything."


def _remote(cpo: LocalNode, emsp: LocalNode) -> Sequence[tuple[str, str]]:
    location = examples("locations", cpo.plan.party)[0]
    card = examples("tokens", emsp.plan.party)[0]["uid"]
    asked = f"commands send {cpo.plan.party} START_SESSION --token {card} --location {location['id']} --wait"
    return (("The eMSP starts a session at one of the CPO's (simulated) charge points", _cli(f"--node emsp {asked}")),)


def _demo(cpo: LocalNode, emsp: LocalNode) -> Sequence[tuple[str, str]]:
    location = examples("locations", cpo.plan.party)[0]
    evse = f"{location['id']}/{location['evses'][0]['uid']}"
    change = ("-X PATCH", "-H 'Content-Type: application/json'", """-d '{"status": "CHARGING"}'""")
    return (
        ("What the eMSP knows of the CPO's locations", _cli(f"--node emsp get locations --partner {cpo.plan.party}")),
        ("A car starts to charge: the CPO's back end says so …", _curl(cpo, f"locations/{evse}", *change)),
        (
            "… and the eMSP knows",
            _cli(f"--node emsp get locations {evse.replace('/', ' ')} --partner {cpo.plan.party}"),
        ),
        (
            "May this driver charge here? The CPO asks the eMSP, for the token's whitelist is NEVER",
            _cli(f"authorize {_asked_card(emsp)} --location {location['id']} --evse {location['evses'][0]['uid']}"),
        ),
        (
            "A session goes to the eMSP whose driver charged …",
            _cli(f"import sessions {_shown(EXAMPLES / 'sessions.json')} --for {emsp.plan.party}"),
        ),
        ("… see it at the eMSP", _cli(f"--node emsp get sessions --partner {cpo.plan.party}")),
        ("… and bill it", _cli(f"cdrs post {_shown(EXAMPLES / 'cdr.json')} --for {emsp.plan.party}")),
        ("… is the CDR at the eMSP, and is it the same there?", _cli("cdrs posting DEMO-1 --fetch")),
        ("How the two stand with each other", _cli(f"partners show {emsp.plan.party}")),
        *_bare(cpo),
    )


def _asked_card(emsp: LocalNode) -> str:
    """The uid of a token with whitelist NEVER, so that its eMSP is always asked."""
    return next(
        str(token["uid"])
        for token in examples("tokens", emsp.plan.party)
        if token["valid"] and token["whitelist"] == "NEVER"
    )


def _bare(cpo: LocalNode) -> Sequence[tuple[str, str]]:
    return (
        ("Invite a partner of your own: a token, and the URL to use it with", _cli("partners invite --role emsp")),
        (
            "Our own objects; importing twice changes nothing",
            _cli(f"import locations {_shown(EXAMPLES / 'locations.json')}"),
        ),
        ("The same by hand", _curl(cpo, "locations")),
    )


def _cli(arguments: str) -> str:
    return f"{_python()} -m cli {arguments}"


def _curl(node: LocalNode, path: str, *arguments: str) -> str:
    key = f"-H 'Authorization: Bearer {node.key}'"
    return " ".join(["curl", key, *arguments, f"{node.plan.operator_url}/{path}"])


def _python() -> str:
    return shlex.quote(_shown(Path(sys.executable)))


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
