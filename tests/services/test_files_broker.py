"""The broker of files: whole messages in order, each taken once, whoever looks in between."""

from multiprocessing import get_context
from pathlib import Path

import pytest
from kombu import Connection

from vmsapp.tasks.files_broker import SCHEME, SPOILT

MESSAGES, HANDS = 150, 2
# what the library knows of queues it keeps for all connections: each test has a queue of its own


def connection(folder: Path) -> Connection:
    folders = dict.fromkeys(("data_folder_in", "data_folder_out", "control_folder"), str(folder))
    return Connection(f"{SCHEME}://", transport_options=folders | {"store_processed": False})


@pytest.fixture
def broker(tmp_path):
    with connection(tmp_path) as opened:
        yield opened


def test_messages_come_in_their_order_and_once(broker, tmp_path):
    queue = broker.SimpleQueue(tmp_path.name)
    for number in range(3):
        queue.put({"number": number})
    taken = []
    for _ in range(3):
        message = queue.get(timeout=5)
        taken.append(message.payload["number"])
        message.ack()
    assert sorted(taken) == [0, 1, 2]
    with pytest.raises(queue.Empty):
        queue.get(block=False)
    left = {path.suffix for path in tmp_path.iterdir()}
    assert left == {".exchange", ".lock"}


def test_a_spoilt_message_is_put_aside_and_the_next_one_is_read(broker, tmp_path, caplog):
    queue, torn = broker.SimpleQueue(tmp_path.name), f"0_torn.{tmp_path.name}.msg"
    (tmp_path / torn).write_text("")
    queue.put({"number": 7})
    assert queue.get(timeout=5).payload == {"number": 7}
    assert [path.name for path in tmp_path.glob(f"*{SPOILT}")] == [torn + SPOILT]
    assert "cannot be read" in caplog.text


def _give(folder: Path, hand: int) -> None:
    with connection(folder) as opened:
        queue = opened.SimpleQueue(folder.name)
        for number in range(MESSAGES):
            queue.put({"number": hand * MESSAGES + number, "long": "x" * 20_000})


def test_no_message_is_read_before_it_is_whole_nor_twice(tmp_path):
    context = get_context("spawn")
    givers = [context.Process(target=_give, args=(tmp_path, hand)) for hand in range(HANDS)]
    for giver in givers:
        giver.start()
    with connection(tmp_path) as opened:
        queue, taken = opened.SimpleQueue(tmp_path.name), []
        while len(taken) < HANDS * MESSAGES:
            message = queue.get(timeout=60)
            assert len(message.payload["long"]) == 20_000
            taken.append(message.payload["number"])
            message.ack()
    for giver in givers:
        giver.join()
    assert sorted(taken) == list(range(HANDS * MESSAGES))
    assert not list(tmp_path.glob(f"*{SPOILT}"))


def test_two_that_bind_at_once_are_both_in_the_table(tmp_path):
    queues = [f"q{number}" for number in range(5)]
    with connection(tmp_path) as one, connection(tmp_path) as two:
        channels = [one.channel(), two.channel()]
        for place, name in enumerate(queues):
            channels[place % 2]._queue_bind("reports", name, "", name)
            channels[1 - place % 2]._queue_bind("reports", name, "", name)
        assert sorted(row[2] for row in channels[0].get_table("reports")) == queues
