"""Starts the emulator and both nodes, writes ``NODES_FILE``, watches the processes, and stops everything again."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3

from chalicelib.bootstrap.aws import partner_store
from chalicelib.node.partners.store import OperatorKey
from chalicelib.settings import Settings
from cli import deploy
from cli.keys import ROLES, new_key
from cli.local import demo
from cli.local.charge_points import Behaviour, ChargePoints
from cli.local.emulator import Emulator, EmulatorError, running
from cli.local.logs import follow
from cli.local.plan import NodePlan, without_aws
from cli.local.process import LocalNode, check_ports
from cli.local.welcome import welcome
from cli.nodes import NODES_FILE, write_nodes
from cli.output import Failure
from cli.stages import PROJECT

KEY_NAME = "local runner"
RESTART_FILE = NODES_FILE.with_name("restart")
"""When this file exists, the runner starts the nodes that have stopped, and then deletes it."""
POLL_S = 0.2
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How the two nodes are to be run."""

    plans: Sequence[NodePlan]
    bare: bool = False
    state_dir: Path | None = None
    """Where the emulator saves its data at a clean stop; None saves nothing."""
    follow_logs: bool = False
    faults: frozenset[str] | None = None
    """Faults of the CPO's simulated charge points; None for no charge points."""


def run(options: RunOptions, say: Say) -> None:
    """Run until interrupted or terminated.

    Raises:
        Failure: something could not be started, or the emulator stopped.
    """
    check_ports(options.plans)
    folder = NODES_FILE.parent.resolve()
    folder.mkdir(exist_ok=True)
    RESTART_FILE.unlink(missing_ok=True)
    # Both stop everything, also where a shell started this in the background and so disabled SIGINT.
    for asked in STOP_SIGNALS:
        signal.signal(asked, signal.default_int_handler)
    try:
        with running(folder / "emulator.log", state_dir=options.state_dir and options.state_dir.resolve()) as emulator:
            nodes = [_node(plan, emulator.environment, folder) for plan in options.plans]
            with _stopped_at_the_end(nodes):
                _bring_up(nodes, options, say)
                with _charge_points(nodes[0], options.faults, say):
                    _watch(nodes, emulator, say)
    except KeyboardInterrupt:
        say("Stopped.")
    except EmulatorError as failed:
        raise Failure(f"The AWS emulator did not start: {failed}") from failed


def _node(plan: NodePlan, aws: Mapping[str, str], folder: Path) -> LocalNode:
    log = folder / f"{plan.role}.log"
    log.write_bytes(b"")
    return LocalNode(plan, plan.environment(aws, os.environ), log)


@contextmanager
def _stopped_at_the_end(nodes: Sequence[LocalNode]) -> Iterator[None]:
    try:
        yield
    finally:
        # A second Ctrl-C must not leave half of it running.
        for asked in STOP_SIGNALS:
            signal.signal(asked, signal.SIG_IGN)
        for file in (NODES_FILE, RESTART_FILE):
            file.unlink(missing_ok=True)
        stopping = [threading.Thread(target=node.stop) for node in nodes]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()


def _bring_up(nodes: Sequence[LocalNode], options: RunOptions, say: Say) -> None:
    started = time.monotonic()
    say("Starting an AWS emulator and two nodes ...")
    for node in nodes:
        node.start()  # first, because their imports take longer than creating their tables
    _use_emulator(nodes[0].environment)
    for node in nodes:
        _create_data_stack(node.plan.stage)
        node.key = _fresh_key(node)
    for node in nodes:
        node.wait_until_up()
    if not options.bare:
        _fill(nodes, say)
    write_nodes({node.plan.role.value: node.as_json() for node in nodes})
    say(f"Up after {time.monotonic() - started:.1f} s.")
    cpo, emsp = nodes
    for line in welcome(cpo, emsp, bare=options.bare, can_charge=options.faults is not None):
        say(line)
    if options.follow_logs:
        follow({node.plan.role.value: node.log for node in nodes}, say)


def _use_emulator(environment: Mapping[str, str]) -> None:
    """Make boto3 call the emulator in this process too, and nothing else."""
    clean = {**without_aws(os.environ), **{name: environment[name] for name in environment if name.startswith("AWS_")}}
    os.environ.clear()
    os.environ.update(clean)


def _create_data_stack(stage: str) -> None:
    cloudformation = boto3.client("cloudformation")
    deploy.put_data_stack(cloudformation, stage, project=PROJECT, say=lambda _: None, sleep=lambda _: time.sleep(0.05))


def _fresh_key(node: LocalNode) -> str:
    store = partner_store(Settings.from_environment(node.environment))
    for key_hash, key in store.operator_keys().items():
        if key.name == KEY_NAME:  # kept from an earlier run
            store.remove_operator_key(key_hash)
    return new_key(store, OperatorKey(KEY_NAME, frozenset(ROLES)))


def _fill(nodes: Sequence[LocalNode], say: Say) -> None:
    cpo, emsp = nodes
    demo.connect(cpo.api, emsp.api)
    # After their registration, so that the objects are pushed.
    for node, receiver in ((cpo, emsp), (emsp, cpo)):
        for module, expected in demo.load(node.api, node.plan.role, node.plan.party).items():
            if not demo.has_arrived(receiver.api, module, expected):
                say(f"The {receiver.name} node has not got all {expected} {module} yet; the logs say why.")


@contextmanager
def _charge_points(cpo: LocalNode, faults: frozenset[str] | None, say: Say) -> Iterator[None]:
    """Runs simulated charge points for as long as the block runs; none if ``faults`` is None."""
    if faults is None:
        yield
        return
    stop = threading.Event()
    points = ChargePoints(cpo.api, boto3.client("sqs"), cpo.plan.stage, Behaviour.with_faults(faults), say)
    running = threading.Thread(target=points.run, args=(stop,), daemon=True)
    running.start()
    try:
        yield
    finally:
        stop.set()
        running.join()


def _watch(nodes: Sequence[LocalNode], emulator: Emulator, say: Say) -> None:
    """Report nodes that stop, and start them again when ``RESTART_FILE`` appears.

    Raises:
        Failure: the emulator has stopped, and the nodes can do nothing without it.
    """
    known = {node.name: True for node in nodes}
    while emulator.process.poll() is None:
        time.sleep(POLL_S)
        if RESTART_FILE.exists():
            _restart(nodes, say)
            RESTART_FILE.unlink(missing_ok=True)
        for node in nodes:
            if known[node.name] and not node.is_running:
                say(f"The {node.name} node stopped {node.exit_reason()}; the other one goes on. Its log: {node.log}")
                say("Start it again: python -m cli local restart")
            known[node.name] = node.is_running
    raise Failure("The AWS emulator has stopped", "Start everything again; what was not kept in --state-dir is lost.")


def _restart(nodes: Sequence[LocalNode], say: Say) -> None:
    for node in nodes:
        if not node.is_running:
            node.start()
            try:
                node.wait_until_up()
            except Failure as broken:
                broken.show()
            else:
                say(f"The {node.name} node is up again.")
    write_nodes({node.plan.role.value: node.as_json() for node in nodes})
