"""Runs an API replica in this process; the exit code says how it ended.

Exit codes: those of `service.server`, and 2 for settings that cannot be used. What serves is imported while the version
is loaded.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from service.runtime import Forerunner, logs
from streaming.allocator import give_memory_back
from streaming.logs import configure
from streaming.settings import BadSettings, load_settings, log_format

UNUSABLE: Final = 2


def run(config: Path | None, *, host: str | None = None, port: int | None = None, insecure: bool = False) -> int:
    """Serve until SIGTERM or SIGINT.

    Args:
        config: A settings file (TOML).
        host: Address to listen on, instead of the one in the settings.
        port: Port to listen on, instead of the one in the settings.
        insecure: Listen beyond loopback without keys.

    Returns:
        The exit code.
    """
    configure("service", log_format(config, os.environ))
    give_memory_back()
    try:
        settings = load_settings(config, os.environ)
    except (BadSettings, OSError) as error:
        logs.refuse(str(error))
        return UNUSABLE
    forerunner = Forerunner(settings)
    forerunner.start()
    from service.server import serve

    return serve(settings, forerunner, host=host, port=port, insecure=insecure)


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m service`."""
    parser = argparse.ArgumentParser(
        prog="python -m service", description="Run the API: answer /recommend from the champion."
    )
    parser.add_argument("--config", type=Path, help="settings file (TOML)")
    parser.add_argument("--host", help="address to listen on; beyond loopback needs keys")
    parser.add_argument("--port", type=int, help="port to listen on")
    parser.add_argument("--insecure", action="store_true", help="listen beyond loopback without keys")
    options = parser.parse_args(arguments)
    return run(options.config, host=options.host, port=options.port, insecure=options.insecure)


if __name__ == "__main__":
    sys.exit(main())
