// Who to connect to, and as whom: from the options, or from a mounted connection
// secret, which is read again as long as the client lives.
import { readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';

const defaultPort = 6789;

export function checkOptions(options) {
  const tls = options.tls ?? {};
  if (tls === false) throw new TypeError('tls: must not be false; a JobQueue speaks TLS 1.3 only');
  if (tls.rejectUnauthorized === false || tls.checkServerIdentity) {
    throw new TypeError('tls: the server is always verified; give its authority as tls.ca');
  }
  if (!options.secretDir && !options.token) {
    throw new TypeError('token: must not be empty; or mount the connection secret and set secretDir');
  }
}

// One consistent reading: {host, port, token, tls}, as tls.connect takes them.
export function readSecret(options) {
  const own = options.tls === true ? {} : options.tls;
  const secret = { host: options.host, port: options.port, token: options.token, tls: { ...own } };
  if (options.secretDir) readDir(secret, options.secretDir);
  secret.host ??= 'localhost';
  secret.port ??= defaultPort;
  secret.tls.servername ??= secret.host;
  // By name, and by nothing that the options may say.
  Object.assign(secret.tls, { minVersion: 'TLSv1.3', rejectUnauthorized: true });
  return secret;
}

function readDir(secret, dir) {
  // The kubelet swaps the link ..data to a new directory when a Secret changes:
  // all files behind one reading of it are of one generation.
  let now = dir;
  try {
    now = realpathSync(path.join(dir, '..data'));
  } catch {
    // not mounted by a kubelet
  }
  const file = (name) => readFileSync(path.join(now, name), 'utf8').trim();
  const optional = (name) => {
    try {
      return file(name);
    } catch (err) {
      if (err.code === 'ENOENT') return undefined;
      throw err;
    }
  };
  secret.token = file('token');
  secret.tls.ca = file('ca.crt');
  const cert = optional('tls.crt');
  if (cert) Object.assign(secret.tls, { cert, key: file('tls.key') });
  // An address that was given is a way to the host that the secret names.
  const host = optional('host');
  secret.tls.servername ??= host;
  secret.host ??= host;
  secret.port ??= Number(optional('port') ?? defaultPort);
}
