"""The process behind UFM: the admin API always, and the HTTPS API while UFM is installed and runs."""

import signal
from pathlib import Path

from lab.ufm.admin import admin_app
from lab.ufm.installation import Installation
from lab.ufm.listener import Listener


def serve(folder: Path) -> int:
    """Serve until SIGTERM and return the exit status."""
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    installation = Installation(folder)
    admin = Listener("127.0.0.1", installation.settings.admin_port, admin_app(installation))
    print(f"admin API on 127.0.0.1:{installation.settings.admin_port}", flush=True)
    signal.sigwait(signals)
    admin.stop()
    installation.close()
    return 0
