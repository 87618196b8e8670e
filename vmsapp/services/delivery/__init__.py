"""Receipts on their way to consumers, by mail and by text message.

``asking`` writes a delivery down, ``sending`` carries it out, ``sweep`` finds what was left.
``senders`` says what hands a message over; ``addresses`` where it may go.
"""

from vmsapp.services.delivery.addresses import (
    AddressTooFresh,
    NoAddress,
    NoPhone,
    PhoneNotSendable,
)
from vmsapp.services.delivery.senders import Message, Sender, SmsNotSetUp

__all__ = [
    "AddressTooFresh",
    "Message",
    "NoAddress",
    "NoPhone",
    "PhoneNotSendable",
    "Sender",
    "SmsNotSetUp",
]
