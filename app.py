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


@app.on_sqs_message(queue=settings.queue_name("deliveries.fifo"), batch_size=10, name="delivery_worker")
def delivery_worker(event: SQSEvent) -> None:
    workers.deliveries(event)


@app.schedule(Rate(1, Rate.DAYS), name="refresh_endpoints", description="Fetch the partners' endpoints again")
def refresh_endpoints(event: CloudWatchEvent) -> None:
    workers.refresh_endpoints(event)


if os.environ.get("AWS_CHALICE_CLI_MODE"):
    # Only `chalice local`, `package` and `deploy`: Lambda never sees it.
    from chalicelib import clihooks

    clihooks.install()
