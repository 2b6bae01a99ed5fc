"""Makes the keys of an installation on its first start, and prints the admin key once.

The first folder gets `hashes` (ROLE:SHA256, one a line, for `service.keys_file`). The second gets `metrics`, the read
key that Prometheus sends when it scrapes. The admin key itself is stored nowhere.
"""

import hashlib
import os
import secrets
import sys
from pathlib import Path

SERVICE_USER = 10001  # the user of this image
PROMETHEUS_USER = 65534  # nobody, the user of the prom/prometheus image


def write(path: Path, text: str, owner: int) -> None:
    """Writes a file that only its owner can read. The folder holds it whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o400)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    if os.geteuid() == 0:
        os.chown(partial, owner, owner)
    partial.rename(path)


def line(role: str, key: str) -> str:
    return f"{role}:{hashlib.sha256(key.encode()).hexdigest()}\n"


def main(keys: Path, scrape: Path) -> int:
    hashes = keys / "hashes"
    if hashes.exists():
        print("the keys made at the first start are in force; remove the volume 'keys' to make new ones")
        return 0
    admin, metrics = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    write(scrape / "metrics", metrics, PROMETHEUS_USER)
    write(hashes, line("admin", admin) + line("read", metrics), SERVICE_USER)
    print(f"admin key, shown this once and stored nowhere: {admin}")
    print(f'use it as: curl -H "Authorization: Bearer {admin}" http://127.0.0.1:8000/model')
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
