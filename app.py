"""Chalice entry point: mounts the routes and declares the workers, which Lambda can only find here."""

import os

from chalice.app import Chalice, CloudWatchEvent, Rate, SQSEvent

from chalicelib import settings
from chalicelib.entrypoints import http, workers

app = Chalice(app_name="ocpi")
http.mount(app)


@app.on_sqs_message(queue=settings.queue_name("changes"), batch_size=10, name="change_worker")
def change_worker(event: SQSEvent) -> None:
    workers.changes(event)


# One message at a time: a batch takes as long as its slowest partner, and delays the message groups of all others.
@app.on_sqs_message(queue=settings.queue_name("deliveries.fifo"), batch_size=1, name="delivery_worker")
def delivery_worker(event: SQSEvent) -> None:
    workers.deliveries(event)


@app.on_sqs_message(queue=settings.queue_name("command-results"), batch_size=10, name="command_result_worker")
def command_result_worker(event: SQSEvent) -> None:
    workers.command_results(event)


# As above.
@app.on_sqs_message(queue=settings.queue_name("command-answers.fifo"), batch_size=1, name="command_answer_worker")
def command_answer_worker(event: SQSEvent) -> None:
    workers.command_answers(event)


@app.on_sqs_message(queue=settings.queue_name("events"), batch_size=10, name="event_worker")
def event_worker(event: SQSEvent) -> None:
    workers.events(event)


@app.on_sqs_message(queue=settings.queue_name("pulls"), batch_size=1, name="pull_worker")
def pull_worker(event: SQSEvent) -> None:
    workers.pulls(event)


@app.schedule(Rate(1, Rate.MINUTES), name="tend_partners", description="Look which partners something is due for")
def tend_partners(event: CloudWatchEvent) -> None:
    workers.tend_partners(event)


@app.schedule(Rate(1, Rate.HOURS), name="pull_partners", description="Crawl the partners' lists")
def pull_partners(event: CloudWatchEvent) -> None:
    workers.pull_partners(event)


@app.schedule(Rate(1, Rate.DAYS), name="refresh_endpoints", description="Fetch the partners' endpoints again")
def refresh_endpoints(event: CloudWatchEvent) -> None:
    workers.refresh_endpoints(event)


if os.environ.get("AWS_CHALICE_CLI_MODE"):
    # Only `chalice local`, `package` and `deploy`: Lambda never sees it.
    from chalicelib import clihooks

    clihooks.install()
