"""Logs, metrics and traces: a line, metrics and annotations for each exchange with a partner.

Lines are JSON on AWS, and text on a terminal. An exchange is a request and its response, in either direction.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from chalicelib.node.telemetry import Exchange
from chalicelib.settings import APP_NAME, Settings

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger, Tracer

_CODE: Final = "chalicelib"


class Telemetry:
    """Writes logs, metrics and traces. Each line has the correlation id, and partner and module once known."""

    def __init__(self, settings: Settings) -> None:
        self._console = settings.console_logs
        self._stage = settings.stage
        self._logger = _logger(settings)

    @contextmanager
    def event(self, name: str, correlation_id: str) -> Iterator[None]:
        """A context for the work of one event: its log lines have the id, its trace has a segment of this name."""
        if self._logger is None:
            yield
            return
        self._logger.thread_safe_clear_keys()
        self._logger.thread_safe_append_keys(correlation_id=correlation_id)
        with self._tracer().provider.in_subsegment(name=f"## {name}"):
            yield

    @staticmethod
    def _tracer() -> Tracer:
        """Powertools' tracer, which does nothing where Lambda does not trace."""
        from aws_lambda_powertools import Tracer

        return Tracer(service=APP_NAME, auto_patch=False)

    def set_context(self, partner_id: str, module: str) -> None:
        """Adds partner and module to the log lines that follow."""
        if self._logger:
            self._logger.thread_safe_append_keys(partner=partner_id, module=module)

    def record_exchange(self, exchange: Exchange) -> None:
        """Logs the exchange, counts it, and annotates the trace."""
        failed = exchange.http_status == 0 or exchange.http_status >= 400 or (exchange.status_code or 1000) >= 2000
        level = logging.WARNING if failed else logging.INFO
        self.set_context(exchange.partner_id, exchange.module)
        facts = {
            "direction": exchange.direction,
            "method": exchange.method,
            "path": exchange.path,
            "http_status": exchange.http_status,
            "status_code": exchange.status_code,
            "latency_ms": round(exchange.latency_ms, 1),
            "problem": exchange.problem,
        }
        _LOG.log(level, _sentence(exchange), extra={} if self._console else facts)
        if not self._console:
            self._measure(exchange, failed=failed)
            self._tracer().put_annotation("partner", exchange.partner_id or "none")
            self._tracer().put_annotation("module", exchange.module or "none")

    def _measure(self, exchange: Exchange, *, failed: bool) -> None:
        from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

        metrics = EphemeralMetrics(namespace=APP_NAME, service=f"{APP_NAME}-{self._stage}")
        for name, value in (
            ("partner", exchange.partner_id),
            ("module", exchange.module),
            ("direction", exchange.direction),
        ):
            metrics.add_dimension(name=name, value=value or "none")
        metrics.add_metric(name="Requests", unit=MetricUnit.Count, value=1)
        metrics.add_metric(name="Failures", unit=MetricUnit.Count, value=int(failed))
        metrics.add_metric(name="Latency", unit=MetricUnit.Milliseconds, value=exchange.latency_ms)
        metrics.flush_metrics()


_LOG = logging.getLogger(f"{_CODE}.exchanges")


def _sentence(exchange: Exchange) -> str:
    arrow = "<-" if exchange.direction == "in" else "->"
    who = f" {exchange.partner_id}" if exchange.partner_id else ""
    code = f"/{exchange.status_code}" if exchange.status_code else ""
    problem = f"  {exchange.problem}" if exchange.problem else ""
    return (
        f"{arrow}{who} {exchange.method} {exchange.path} {exchange.http_status}{code}"
        f" {exchange.latency_ms:.0f} ms{problem}"
    )


class _ToStdout(logging.Handler):
    """Writes to the current ``sys.stdout``, as print and the metrics do."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stdout.write(self.format(record) + "\n")


def _logger(settings: Settings) -> Logger | None:
    """Sets up our loggers; returns Powertools' JSON logger, or None where plain lines go to a terminal."""
    ours = logging.getLogger(_CODE)
    ours.setLevel(settings.log_level)
    ours.propagate = False
    handler = _ToStdout()
    ours.handlers = [handler]
    if settings.console_logs:
        handler.setFormatter(logging.Formatter(f"%(asctime)s {settings.party} %(message)s", "%H:%M:%S"))
        return None
    from aws_lambda_powertools import Logger

    logger = Logger(service=f"{APP_NAME}-{settings.stage}", level=settings.log_level, log_uncaught_exceptions=False)
    handler.setFormatter(logger.registered_formatter)
    return logger
