"""Connections of redis-py that follow a Coffer connection secret, mounted as files."""
import os
import ssl

import redis


class ConnectionSecret:
    """The newest good reading of the mounted directory."""

    def __init__(self, directory):
        self.directory = directory
        self._now = None
        self.current()

    def current(self):
        """A tuple (directory, values); another one after each change. One system call when nothing changed."""
        # The kubelet swaps the link ..data: all files behind it are of one time.
        now = os.path.realpath(os.path.join(self.directory, "..data"))
        if self._now is None or self._now[0] != now:
            try:
                names = ("host", "port", "username", "password", "ca.crt")
                self._now = (now, {name: self._read(now, name) for name in names})
            except OSError:
                if self._now is None:
                    raise  # otherwise the last good reading stays
        return self._now

    @staticmethod
    def _read(directory, name):
        with open(os.path.join(directory, name), encoding="utf-8") as f:
            return f.read().strip()


class Connection(redis.Connection):
    """A pool asks for connect() before each use: what was made with an older
    secret is closed there, between two commands, and made anew."""

    def __init__(self, secret, **kwargs):
        super().__init__(**kwargs)
        self.secret, self.made_with = secret, None

    def connect(self):
        now = self.secret.current()
        if self.made_with is not now:
            self.disconnect()
            values = now[1]
            self.host, self.port = values["host"], int(values["port"])
            self.username, self.password = values["username"], values["password"]
            self.made_with = now
        super().connect()

    def _connect(self):
        context = ssl.create_default_context(cadata=self.made_with[1]["ca.crt"])
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context.wrap_socket(super()._connect(), server_hostname=self.host)


def client(directory, **kwargs):
    """A redis.Redis on the secret that is mounted at the directory."""
    pool = redis.ConnectionPool(connection_class=Connection, secret=ConnectionSecret(directory), **kwargs)
    return redis.Redis(connection_pool=pool)
