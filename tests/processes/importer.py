"""A worker in a process of its own that applies one import, to be killed."""

import sys

from config import Settings
from vmsapp import create_app
from vmsapp.tasks import background


def main() -> None:
    """Run the job; say once how far it is after each chunk."""
    url, folder, job_id = sys.argv[1:4]
    app = create_app(
        Settings.from_environ({"VMS_INSTANCE": folder, "DATABASE_URL": url, "DEMO": "0"})
    )
    from vmsapp.services.imports import applying  # noqa: PLC0415 - as the worker imports it

    real = applying._chunk

    def told(*args: object) -> None:
        real(*args)
        sys.stdout.write("chunk\n")
        sys.stdout.flush()

    applying._chunk = told
    with app.app_context():
        background.run.run(int(job_id))


if __name__ == "__main__":
    main()
