"""Celery on the connection secret that is mounted at a directory."""
import os
import ssl
from urllib.parse import quote

import celery


def app(name, directory, **settings):
    """A celery.Celery whose messages and results are in the database."""

    def read(file):
        with open(os.path.join(directory, file), encoding="utf-8") as f:
            return f.read().strip()

    user, password = (quote(read(file), safe="") for file in ("username", "password"))
    url = f"rediss://{user}:{password}@{read('host')}:{read('port')}/0"
    tls = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_ca_certs": os.path.join(directory, "ca.crt"), "ssl_check_hostname": True}
    return celery.Celery(name, broker=url, backend=url, broker_use_ssl=tls, redis_backend_use_ssl=tls, **settings)
