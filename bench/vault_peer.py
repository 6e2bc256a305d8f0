"""The vault's peer: PostgreSQL 15 with pgcrypto over TLS, as cheaply as somebody would build it. A customer is a row of four
encrypted columns and three keyed hashes to search by; each act has a row in a table of its own, in the same transaction; every
commit is synced. pgbench is the client. Nothing here keeps the server's administrator from reading everything, no row says by
whose leave it was read, and what is deleted stays in old pages and backups: it is a figure for the least that storing costs."""
import os
import pathlib
import pwd
import re
import shutil
import subprocess
import tempfile

import results

BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
KEY = "6b1f4d0c9a7e2b35d8f0417c6a92e3b1"
SCHEMA = """
CREATE EXTENSION pgcrypto;
CREATE TABLE customers (id bigserial PRIMARY KEY, name bytea, phone bytea, query bytea, email bytea, by_name bytea, by_phone bytea, by_email bytea);
CREATE INDEX ON customers (by_name); CREATE INDEX ON customers (by_phone); CREATE INDEX ON customers (by_email);
CREATE TABLE audit (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), who text, what text, subject bigint);
"""
OPTIONS = "'cipher-algo=aes256,s2k-mode=0,compress-algo=0'"


def sealed(text):
    return f"pgp_sym_encrypt({text}, '{KEY}', {OPTIONS})"


def hashed(text):
    return f"hmac({text}, '{KEY}', 'sha256')"


NAME, PHONE, EMAIL = "'Customer ' || :n::text", "'+1212' || :n::text", "'c' || :n::text || '@mail.example'"
SCRIPTS = {
    "capture": "\\set n random(1000000, 9999999)\nBEGIN;\nINSERT INTO customers (name, phone, query, email, by_name, by_phone, by_email) VALUES ("
               + ", ".join([sealed(NAME), sealed(PHONE), sealed("'The second screen stays dark after the update'"), sealed(EMAIL),
                            hashed(NAME), hashed(PHONE), hashed(EMAIL)])
               + ");\nINSERT INTO audit (who, what, subject) VALUES ('agent', 'stored', currval('customers_id_seq'));\nCOMMIT;\n",
    "read": "\\set id random(1, :rows)\nBEGIN;\nINSERT INTO audit (who, what, subject) VALUES ('technician', 'read', :id);\n"
            f"SELECT pgp_sym_decrypt(email, '{KEY}') FROM customers WHERE id = :id;\nCOMMIT;\n",
}


def there():
    return (BIN / "pgbench").exists()


def as_user(command, **more):
    """The server refuses to run as root."""
    if os.geteuid() == 0:
        command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *map(str, command)]
    return subprocess.run([str(c) for c in command], check=True, capture_output=True, text=True, **more)


class Peer:
    def __init__(self, folder, port):
        self.folder, self.port = pathlib.Path(tempfile.mkdtemp(prefix="callward-bench-vault-peer-", dir=folder)), port

    def __enter__(self):
        try:
            return self.started()
        except Exception:
            self.__exit__()
            raise

    def started(self):
        data = self.folder / "data"
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        as_user([BIN / "initdb", "-D", data, "--auth=trust", "-U", "bench"])
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                        "/CN=localhost", "-keyout", str(data / "server.key"), "-out", str(data / "server.crt")], check=True, capture_output=True)
        for name in ("server.key", "server.crt"):
            os.chmod(data / name, 0o600)
            if os.geteuid() == 0:
                os.chown(data / name, user.pw_uid, user.pw_gid)
        with open(data / "postgresql.conf", "a", encoding="utf-8") as f:
            f.write(f"ssl = on\nlisten_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = '{self.folder}'\n"
                    "fsync = on\nsynchronous_commit = on\nmax_connections = 100\n")
        as_user([BIN / "pg_ctl", "-D", data, "-l", self.folder / "log", "-w", "start"])
        self.say([BIN / "psql", "-q", "-v", "ON_ERROR_STOP=1", "-c", SCHEMA])
        for what, script in SCRIPTS.items():
            (self.folder / f"{what}.sql").write_text(script)
            os.chmod(self.folder / f"{what}.sql", 0o644)
        self.rows = 1
        self.run("capture", 16, 2)  # something to read
        self.rows = int(self.say([BIN / "psql", "-q", "-A", "-t", "-c", "SELECT max(id) FROM customers"]).stdout)
        return self

    def __exit__(self, *_):
        if (self.folder / "data/postmaster.pid").exists():
            as_user([BIN / "pg_ctl", "-D", self.folder / "data", "-m", "immediate", "stop"])
        shutil.rmtree(self.folder, ignore_errors=True)

    def say(self, command, **more):
        return as_user([*command, "-h", "127.0.0.1", "-p", self.port, "-U", "bench", "postgres"],
                       env={**os.environ, "PGSSLMODE": "require", "HOME": str(self.folder)}, **more)

    def run(self, what, clients, seconds):
        """One closed loop: rate, and the times of all transactions."""
        done = self.say([BIN / "pgbench", "-n", "-M", "prepared", "-f", self.folder / f"{what}.sql", "-c", clients, "-j", min(2, clients), "-T", int(seconds), "-l", "-D", f"rows={self.rows}"],
                        cwd=self.folder)
        times = []
        for path in self.folder.glob("pgbench_log*"):
            times += [int(line.split()[2]) / 1000 for line in path.read_text().splitlines()]
            path.unlink()
        times.sort()
        return {"what": what, "clients": clients, "count": len(times),
                "per_s": round(float(re.search(r"tps = ([0-9.]+)", done.stdout).group(1))),
                "p50_ms": times[len(times) // 2], "p99_ms": times[len(times) * 99 // 100]}


def version():
    return results.output_of(str(BIN / "postgres"), "--version")
