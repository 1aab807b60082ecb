"""Works with coffer_celery.py once: tasks at once, later, retried, by priority, in
groups and chords, revoked, and what a worker says of itself. Fails with what is
wrong."""
import json
import os
import subprocess
import sys
import time

from celery import chord, group

import coffer_celery

app = coffer_celery.app(
    "load", os.environ["CONNECTION"], worker_send_task_events=True, task_send_sent_event=True, result_extended=True,
    broker_transport_options={"queue_order_strategy": "priority"},
)


@app.task(name="add")
def add(x, y):
    return x + y


@app.task(name="total")
def total(numbers):
    return sum(numbers)


@app.task(name="flaky", bind=True, max_retries=3)
def flaky(self, wanted):
    if self.request.retries < wanted:
        raise self.retry(countdown=0.1)
    return self.request.retries


@app.task(name="wrong")
def wrong():
    raise ValueError("as it should")


commands = 0


def expect(what, got, want):
    global commands
    commands += 1
    if got != want:
        sys.exit(f"{what}: {got!r}, want {want!r}")


def await_answer(ask):
    """The first answer of the only worker that is not empty."""
    for _ in range(10 * PATIENCE):
        if answer := list(ask().values())[0]:
            return answer
        time.sleep(0.1)


PATIENCE = 60


def work():
    seen = []
    with app.connection() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": lambda event: seen.append(event["type"])})
        for n in range(20):
            expect("add", add.delay(n, 1).get(PATIENCE), n + 1)
        expect("group", group(add.s(n, n) for n in range(20))().get(PATIENCE), [2 * n for n in range(20)])
        expect("chord", chord((add.s(n, 0) for n in range(20)), total.s())().get(PATIENCE), 190)
        expect("retried", flaky.delay(2).get(PATIENCE), 2)
        expect("later", add.apply_async((1, 2), countdown=0.5).get(PATIENCE), 3)
        expect("by priority", [add.apply_async((n, 0), priority=n).get(PATIENCE) for n in range(10)], list(range(10)))
        failed = wrong.delay()
        expect("an error", type(failed.get(PATIENCE, propagate=False)).__name__, "ValueError")
        failed.forget()
        answers = app.control.ping(timeout=PATIENCE, limit=1)
        expect("a ping", [list(a.values()) for a in answers], [[{"ok": "pong"}]])
        inspect = app.control.inspect(timeout=PATIENCE, limit=1)
        add.apply_async((1, 2), countdown=3600).revoke()
        expect("revoked", len(await_answer(inspect.revoked)), 1)
        add.delay(1, 1).get(PATIENCE)
        try:
            receiver.capture(limit=5, timeout=PATIENCE)
        except Exception as err:
            sys.exit(f"events: {type(err).__name__} {err}")
        expect("events", len(seen) > 0, True)
        denied = app.backend.client.info("stats")["acl_access_denied_cmd"]
        expect("commands that were denied", denied, 0)


if __name__ == "__main__":
    worker = subprocess.Popen([sys.executable, "-m", "celery", "-A", "tasks", "worker", "-c", "2", "-l", "WARNING"], stdout=sys.stderr)
    try:
        work()
    finally:
        worker.terminate()
        worker.wait(PATIENCE)
    print(json.dumps({"commands": commands, "failed": 0}))
