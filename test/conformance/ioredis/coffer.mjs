// Connections of ioredis that follow a Coffer connection secret, which is
// mounted as files: a live connection is sent AUTH when the password changes,
// a new one takes the newest password and trusts the newest ca.crt.
import { readFileSync, realpathSync, watch } from 'node:fs';
import path from 'node:path';
import Redis from 'ioredis';

function read(dir) {
  // The kubelet swaps the link ..data: all files read behind it are of one time.
  const now = realpathSync(path.join(dir, '..data'));
  const file = (name) => readFileSync(path.join(now, name), 'utf8').trim();
  return {
    host: file('host'),
    port: Number(file('port')),
    username: file('username'),
    password: file('password'),
    tls: { ca: file('ca.crt'), minVersion: 'TLSv1.3' },
  };
}

// The newest good reading of the mounted directory.
export class ConnectionSecret {
  clients = new Set();

  constructor(dir, onError = (err) => console.error(`connection secret: ${err.message}`)) {
    this.dir = dir;
    this.onError = onError;
    this.watcher = watch(dir, () => this.reload());
    this.options = read(dir);
    this.poll = setInterval(() => this.reload(), 10_000); // where nothing is announced
    this.poll.unref();
  }

  reload() {
    try {
      const next = read(this.dir);
      const same = next.password === this.options.password && next.username === this.options.username;
      this.options = next;
      for (const client of this.clients) client.follow(!same);
    } catch (err) {
      this.onError(err); // the last good reading stays
    }
  }

  close() {
    this.watcher.close();
    clearInterval(this.poll);
  }
}

export class CofferRedis extends Redis {
  constructor(secret, options = {}) {
    super({ ...options, ...secret.options });
    this.secret = secret;
    secret.clients.add(this);
    // The password may have changed while the connection was being made.
    this.on('ready', () => this.follow(true));
    this.on('end', () => secret.clients.delete(this));
  }

  follow(authenticate) {
    Object.assign(this.options, this.secret.options); // for the next connection
    if (!authenticate || this.status !== 'ready') return;
    const { username, password } = this.secret.options;
    this.auth(username, password).catch((err) => this.secret.onError(err));
  }

  // Libraries duplicate a client to have a connection for blocking commands.
  duplicate(override = {}) {
    return new CofferRedis(this.secret, { ...this.options, ...override });
  }
}
