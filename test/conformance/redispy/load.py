"""Works with coffer.py until its input ends; retries are off. Counts what failed."""
import json
import sys
import threading
import time

import coffer

stop = threading.Event()
lock = threading.Lock()
counts = {"commands": 0, "failed": 0}


def did(command, *args):
    try:
        result, failed = command(*args), 0
    except Exception as err:  # whatever a caller would see
        result, failed = None, 1
        print(type(err).__name__, err, file=sys.stderr)
        time.sleep(0.1)
    with lock:
        counts["commands"] += 1
        counts["failed"] += failed
    return result


def work(db, worker):
    turn = 0
    while not stop.is_set():
        did(db.set, f"load:{worker}", turn)
        if did(db.get, f"load:{worker}") != str(turn).encode():
            with lock:
                counts["failed"] += 1
        turn += 1


def connect_anew(directory):
    """New connections all the time: they are the ones that verify certificates."""
    while not stop.wait(0.02):
        db = coffer.client(directory)
        did(db.ping)
        db.connection_pool.disconnect()


shared = coffer.client(sys.argv[1])
threads = [threading.Thread(target=work, args=(shared, n)) for n in range(4)]
threads.append(threading.Thread(target=connect_anew, args=(sys.argv[1],)))
for t in threads:
    t.start()
sys.stdin.read()
stop.set()
for t in threads:
    t.join()
print(json.dumps(counts))
