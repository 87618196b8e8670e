"""The training meter: a virtual one to learn on, that no module, book or journal knows of.

It is the acceptance meter of the codec with a key made at random. Its number begins with what
registration refuses (``meter_numbers.TRAINING``), so that it is no real meter's, nor ever will
be. ``bench`` is the meter with all that lies beside it, ``lessons`` makes the tokens, ``entering``
types them in, ``keeping`` has it sealed in the database for as long as a browser uses it.
"""

from vmsapp.services.training.bench import Entry, Offered, Training
from vmsapp.services.training.entering import enter
from vmsapp.services.training.keeping import NoTraining, begin, change, look, put_away
from vmsapp.services.training.lessons import Lesson, TrainingFault, Wish, make

__all__ = [
    "Entry",
    "Lesson",
    "NoTraining",
    "Offered",
    "Training",
    "TrainingFault",
    "Wish",
    "begin",
    "change",
    "enter",
    "look",
    "make",
    "put_away",
]
