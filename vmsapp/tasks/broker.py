"""Is the broker there, and how many messages wait in it?"""

from typing import Any, Final

from vmsapp.tasks import celery

SECONDS: Final = 2.0
"""How long it may take to be reached, and to answer."""
NOT_THERE: Final = "404"
"""What a transport says of a queue that nobody has made yet, as a number or as text."""


def waiting() -> int:
    """Count the messages that no worker has taken yet.

    Raises:
        OSError, kombu.exceptions.KombuError: The broker is away; what else the transport raises.
    """
    with celery.connection_for_read(
        connect_timeout=SECONDS, transport_options=_bounds(celery.conf.broker_url)
    ) as connection:
        queue = celery.conf.task_default_queue
        try:
            return int(connection.channel().queue_declare(queue, passive=True).message_count)
        except connection.channel_errors as error:
            if str(getattr(error, "reply_code", "")) == NOT_THERE:  # nobody has sent anything yet
                return 0
            raise


def _bounds(url: str) -> dict[str, Any]:
    """Say in the transport's own words how long it may take."""
    if url.startswith("redis"):
        return {"socket_connect_timeout": SECONDS, "socket_timeout": SECONDS}
    if url.startswith("amqp"):
        return {"read_timeout": SECONDS, "write_timeout": SECONDS}
    return {}
